PRAGMA application_id = 1886351428;
PRAGMA user_version = 2;
BEGIN TRANSACTION;
CREATE TABLE history (
        id INTEGER PRIMARY KEY, log INTEGER NOT NULL REFERENCES logs (id),
        thrust INTEGER NOT NULL REFERENCES thrusts (id), field TEXT NOT NULL, old TEXT, new TEXT
    ) STRICT;
INSERT INTO "history" VALUES(1,2,1,'pain_after','4','3');
CREATE TABLE logs (id INTEGER PRIMARY KEY, day INTEGER NOT NULL, popdetect_version TEXT NOT NULL) STRICT;
INSERT INTO "logs" VALUES(1,23465,'0.1.0');
INSERT INTO "logs" VALUES(2,23465,'0.1.0');
CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
INSERT INTO "meta" VALUES('key_check','ebceb1d1db990e76');
CREATE TABLE scores (
        thrust INTEGER PRIMARY KEY REFERENCES thrusts (id), patient TEXT NOT NULL, day INTEGER, session_no INTEGER,
        thrust_no INTEGER, region TEXT NOT NULL, side TEXT NOT NULL, technique TEXT NOT NULL, pain_before REAL,
        pain_after REAL, pain_scale TEXT NOT NULL CHECK (pain_scale IN ('NPRS', 'VAS100')), time_point TEXT NOT NULL,
        expects_relief REAL CHECK (expects_relief BETWEEN 0 AND 10),
        believes_pop_needed INTEGER CHECK (believes_pop_needed BETWEEN 1 AND 5),
        pop_heard_by_patient TEXT CHECK (pop_heard_by_patient IN ('yes', 'no', 'unsure')),
        pop_heard_by_therapist TEXT CHECK (pop_heard_by_therapist IN ('yes', 'no', 'unsure')),
        thrust_speed REAL CHECK (thrust_speed >= 0), adverse_event TEXT NOT NULL, notes TEXT NOT NULL, thrust_speed_unit TEXT NOT NULL DEFAULT '', own TEXT NOT NULL DEFAULT '{}',
        CHECK (pain_before BETWEEN 0 AND iif(pain_scale = 'NPRS', 10, 100)),
        CHECK (pain_after BETWEEN 0 AND iif(pain_scale = 'NPRS', 10, 100))
    ) STRICT;
INSERT INTO "scores" VALUES(1,'P-7qmny9kb',22467,1,1,'','','',6.0,3.0,'NPRS','',NULL,4,NULL,NULL,12.5,'','','mm/s','{"Therapist": "M. Berg", "room": "blue", "site": "north"}');
INSERT INTO "scores" VALUES(2,'P-epvk6h97',22467,1,1,'','','',5.0,4.0,'NPRS','',NULL,2,NULL,NULL,12.5,'','','mm/s','{"Therapist": "M. Berg", "site": "north"}');
INSERT INTO "scores" VALUES(3,'P-z5yqtrt8',22467,1,1,'','','',7.0,3.0,'NPRS','',NULL,NULL,NULL,NULL,12.5,'','','mm/s','{"room": "red", "site": "north"}');
INSERT INTO "scores" VALUES(4,'P-7qmny9kb',22467,1,2,'','','',6.0,5.0,'NPRS','',NULL,4,NULL,NULL,12.5,'','','mm/s','{"Therapist": "for P-7qmny9kb: T2"}');
INSERT INTO "scores" VALUES(5,'P-epvk6h97',22467,1,2,'','','',4.0,4.0,'NPRS','',NULL,2,NULL,NULL,12.5,'','','mm/s','{}');
INSERT INTO "scores" VALUES(6,'P-z5yqtrt8',22467,1,2,'','','',8.0,5.0,'NPRS','',NULL,5,NULL,NULL,12.5,'','','mm/s','{"Therapist": "T2", "room": "red", "site": "south"}');
CREATE TABLE sessions (
        session TEXT PRIMARY KEY, log INTEGER NOT NULL REFERENCES logs (id)
    ) STRICT, WITHOUT ROWID;
INSERT INTO "sessions" VALUES('S-yz34anna',1);
CREATE TABLE thrusts (
        id INTEGER PRIMARY KEY, session TEXT NOT NULL REFERENCES sessions (session), clip TEXT NOT NULL,
        file TEXT NOT NULL, status TEXT, label TEXT CHECK (label IN ('pop', 'no_pop', 'uncertain')),
        p_pop REAL CHECK (p_pop BETWEEN 0 AND 1), n_pops INTEGER CHECK (n_pops >= 0), first_pop_s REAL,
        last_pop_s REAL, snr_db REAL, duration_s REAL, sample_rate_hz INTEGER, channels INTEGER, quality TEXT,
        model TEXT, model_sha256 TEXT, popdetect_version TEXT, sha256 TEXT, UNIQUE (session, clip)
    ) STRICT;
INSERT INTO "thrusts" VALUES(1,'S-yz34anna','da9744134da6d152','c0.wav','ok','pop',0.9,1,0.512,0.512,23.4,2.0,48000,1,'','default-1','abababababababababababababababababababababababababababababababab','0.1.0','0000000000000000000000000000000000000000000000000000000000000000');
INSERT INTO "thrusts" VALUES(2,'S-yz34anna','d0d32a8c84f81965','c1.wav','ok','no_pop',0.5,0,NULL,NULL,NULL,2.0,48000,1,'','default-1','abababababababababababababababababababababababababababababababab','0.1.0','0000000000000000000000000000000000000000000000000000000000000001');
INSERT INTO "thrusts" VALUES(3,'S-yz34anna','6e1d8f5a167f45d3','c2.wav','ok','uncertain',0.1,0,NULL,NULL,NULL,2.0,48000,1,'','default-1','abababababababababababababababababababababababababababababababab','0.1.0','0000000000000000000000000000000000000000000000000000000000000002');
INSERT INTO "thrusts" VALUES(4,'S-yz34anna','c68d0799463fdf1b','c3.wav','ok','pop',0.9,1,0.512,0.512,23.4,2.0,48000,1,'','default-1','abababababababababababababababababababababababababababababababab','0.1.0','0000000000000000000000000000000000000000000000000000000000000003');
INSERT INTO "thrusts" VALUES(5,'S-yz34anna','e17c910079c8888e','c4.wav','ok','no_pop',0.5,0,NULL,NULL,NULL,2.0,48000,1,'','default-1','abababababababababababababababababababababababababababababababab','0.1.0','0000000000000000000000000000000000000000000000000000000000000004');
INSERT INTO "thrusts" VALUES(6,'S-yz34anna','3109113aa77364fb','c5.wav','ok','uncertain',0.1,0,NULL,NULL,NULL,2.0,48000,1,'','default-1','abababababababababababababababababababababababababababababababab','0.1.0','0000000000000000000000000000000000000000000000000000000000000005');
CREATE INDEX thrusts_by_sha256 ON thrusts (sha256);
COMMIT;
