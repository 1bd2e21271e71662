"""REDCap: import file and data dictionary are what REDCap takes, and agree with each other."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from export_fakes import export, make_study, one, table
from journal_fakes import make_session, scores, write_scores

from popdetect.errors import UsageError
from popdetect.study.fields import FIELDS
from popdetect.study.journal.logging import log

Rows = list[dict[str, str]]

# as the header of the template that REDCap offers reads
HEADER = (
    "Variable / Field Name,Form Name,Section Header,Field Type,Field Label,"
    '"Choices, Calculations, OR Slider Labels",Field Note,Text Validation Type OR Show Slider Number,'
    "Text Validation Min,Text Validation Max,Identifier?,Branching Logic (Show field only if...),Required Field?,"
    "Custom Alignment,Question Number (surveys only),Matrix Group Name,Matrix Ranking?,Field Annotation"
)
NAME, TYPE, LABELS = "Variable / Field Name", "Field Type", "Choices, Calculations, OR Slider Labels"
CHECK, LOW, HIGH = "Text Validation Type OR Show Slider Number", "Text Validation Min", "Text Validation Max"
EVERYTHING = [field.name for field in FIELDS] + ["bed", "own.label", "room"]


@pytest.fixture(params=["NPRS", "VAS100"])
def study(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    return make_study(tmp_path, second_scale=request.param)


def files(study: Path, columns: list[str] | None = None) -> tuple[Rows, Rows]:
    texts = export(study, "redcap", columns=columns).texts
    return table(texts["redcap_import.csv"]), table(texts["redcap_data_dictionary.csv"])


def choices(variable: dict[str, str]) -> dict[str, str]:
    """Label of each code."""
    return dict(pair.split(", ", 1) for pair in variable[LABELS].split(" | "))


def test_the_dictionary_has_the_18_columns(study: Path) -> None:
    text = export(study, "redcap").texts["redcap_data_dictionary.csv"]

    assert text.splitlines()[0] == HEADER
    assert len(table(text)[0]) == 18


def test_names_of_variables_are_valid(study: Path) -> None:
    _, dictionary = files(study, EVERYTHING)
    names = [variable[NAME] for variable in dictionary]

    assert names[0] == "record_id"
    assert len(names) == len(set(names))
    for name in names:
        assert re.fullmatch(r"[a-z](_?[a-z0-9]+)*", name)
        assert len(name) <= 26
    assert {variable["Form Name"] for variable in dictionary} == {"patient", "thrust"}
    assert [v[NAME] for v in dictionary if v["Form Name"] == "patient"] == ["record_id"]


@pytest.mark.parametrize("columns", [None, EVERYTHING, ["patient", "label", "pain_after"]])
def test_import_file_and_dictionary_agree(study: Path, columns: list[str] | None) -> None:
    rows, dictionary = files(study, columns)
    repeat = ["redcap_repeat_instrument", "redcap_repeat_instance"]
    variables = {variable[NAME]: variable for variable in dictionary}

    assert list(rows[0]) == ["record_id", *repeat, *list(variables)[1:]]
    n_checked = 0
    for row in rows:
        assert row[repeat[0]] == "thrust"
        for name in variables:
            variable, value = variables[name], row[name]
            if value and variable[LABELS]:
                assert value in choices(variable)
                n_checked += 1
            if value and variable[CHECK]:
                assert re.fullmatch(r"-?\d+" if variable[CHECK] == "integer" else r"-?\d+(\.\d+)?", value)
                assert float(variable[LOW] or "-inf") <= float(value) <= float(variable[HIGH] or "inf")
                n_checked += 1
    assert n_checked > 8


def test_types_are_those_of_redcap(study: Path) -> None:
    _, dictionary = files(study, EVERYTHING)
    for variable in dictionary:
        assert variable[TYPE] in ("text", "notes", "radio")
        assert (variable[TYPE] == "radio") == bool(variable[LABELS])
        assert variable[CHECK] in ("", "integer", "number")
        assert variable["Identifier?"] in ("", "y")
        assert bool(variable[CHECK]) >= bool(variable[LOW] or variable[HIGH])
    personal = {variable[NAME] for variable in dictionary if variable["Identifier?"]}
    assert personal == {"technique", "therapist", "site", "adverse_event", "notes", "bed", "room", "label_2"}


def test_records_are_patients_and_instances_their_thrusts(study: Path) -> None:
    rows, _ = files(study)
    keys = [(row["record_id"], row["redcap_repeat_instance"]) for row in rows]

    assert len(keys) == len(set(keys)) == 8
    assert sorted(number for _, number in keys) == ["1", "1", "1", "2", "2", "2", "3", "3"]
    assert {row["record_id"] for row in rows} == {row["patient"] for row in one(study, "csv", ["patient"])}
    assert all(re.fullmatch(r"P-[0-9a-z]{8}", record) for record, _ in keys)


def test_decoded_values_are_those_of_the_journal(study: Path) -> None:
    rows, dictionary = files(study, EVERYTHING)
    coded = {variable[NAME]: choices(variable) for variable in dictionary if variable[LABELS]}
    decoded = []
    for row in rows:
        plain = {name: coded[name].get(value, "") if name in coded else value for name, value in row.items()}
        made = {name: plain[name] for name in EVERYTHING if name in plain and name != "label"}
        made |= {"patient": plain["record_id"], "label": plain["label"], "own.label": plain["label_2"]}
        for pain in ("pain_before", "pain_after"):
            scales = [plain.get(f"{pain}_{scale}", "") for scale in ("nprs", "vas100")]
            assert scales.count("") >= 1
            made[pain] = "".join(scales)
        decoded.append(made)

    def ordered(rows: Rows) -> list[str]:
        return sorted(str(sorted(row.items())) for row in rows)

    assert ordered(decoded) == ordered(one(study, "csv", EVERYTHING))


def test_each_scale_has_its_range(tmp_path: Path) -> None:
    study = make_study(tmp_path, second_scale="VAS100")
    rows, dictionary = files(study)
    ranges = {v[NAME]: (v[CHECK], v[LOW], v[HIGH], v["Branching Logic (Show field only if...)"]) for v in dictionary}
    for pain in ("pain_before", "pain_after"):
        assert ranges[f"{pain}_nprs"] == ("integer", "0", "10", "[pain_scale] = '1'")
        assert ranges[f"{pain}_vas100"] == ("number", "0", "100", "[pain_scale] = '2'")
        assert pain not in ranges
    scale = next(v for v in dictionary if v[NAME] == "pain_scale")
    assert choices(scale) == {"1": "NPRS", "2": "VAS100"}
    for row in rows:
        other = "vas100" if row["pain_scale"] == "1" else "nprs"
        assert row[f"pain_before_{other}"] == ""
    _, dictionary = files(study, ["patient", "pain_before"])  # no branching on what is not there
    assert [v["Branching Logic (Show field only if...)"] for v in dictionary] == ["", "", ""]


def test_ranges_of_the_other_scales(tmp_path: Path) -> None:
    _, dictionary = files(make_study(tmp_path))
    ranges = {v[NAME]: (v[CHECK], v[LOW], v[HIGH]) for v in dictionary}

    assert ranges["p_pop"] == ("number", "0", "1")
    assert ranges["expects_relief"] == ("number", "0", "10")
    assert ranges["believes_pop_needed"] == ("integer", "1", "5")
    assert ranges["n_pops"] == ("integer", "0", "")
    assert "pain_before_vas100" not in ranges


def test_later_sessions_do_not_renumber_earlier_ones(tmp_path: Path) -> None:
    study = make_study(tmp_path)
    before, _ = files(study)
    log(make_session(tmp_path, 3, "a first by name"), study)
    after, _ = files(study)

    assert len(after) == len(before) + 3
    assert all(row in after for row in before)


def test_names_of_own_columns_become_valid_and_stay_apart(tmp_path: Path) -> None:
    folder = make_session(tmp_path)
    long = "how strong was the pressure of the hand"
    own = {"1st": "a", "Größe (cm)": "b", f"{long} left": "c", f"{long} right": "d", "record_id": "e", "痛": "f"}
    write_scores(folder, [row | own for row in scores()])
    log(folder, tmp_path / "S.db")
    rows, dictionary = files(tmp_path / "S.db", ["patient", *own])
    names = [variable[NAME] for variable in dictionary[1:]]

    assert names == [
        "own_1st", "grosse_cm", "how_strong_was_the_pressur", "how_strong_was_the_press_2", "record_id_2", "own",
    ]  # fmt: skip
    assert [rows[0][name] for name in names] == list(own.values())
    assert [variable["Field Label"] for variable in dictionary[1:]] == [
        f"The clinic's own column {header!r}" for header in own
    ]
    # a name does not depend on what else is asked for
    _, dictionary = files(tmp_path / "S.db", ["patient", f"{long} right"])
    alone = dictionary[1][NAME]
    assert alone == "how_strong_was_the_press_2"


def test_a_record_needs_its_patient(study: Path) -> None:
    with pytest.raises(UsageError, match=r"add patient \(the pseudonym\)"):
        export(study, "redcap", columns=["label"])


def test_the_scale_is_asked_before_the_pain_that_depends_on_it(study: Path) -> None:
    names = [variable[NAME] for variable in files(study)[1]]
    assert names.index("pain_scale") < names.index("pain_before_nprs") < names.index("pain_after_nprs")


def test_own_columns_have_the_type_of_their_values(tmp_path: Path) -> None:
    folder = make_session(tmp_path, 2)
    own = [{"bed": "3", "kg": "70.5", "code": "007", "room": "A"}, {"bed": "12", "kg": "80", "code": "1", "room": ""}]
    write_scores(folder, [row | cells for row, cells in zip(scores(2), own, strict=True)])
    log(folder, tmp_path / "S.db")
    _, dictionary = files(tmp_path / "S.db", ["patient", "bed", "kg", "code", "room"])
    assert [(variable[TYPE], variable[CHECK]) for variable in dictionary[1:]] == [
        ("text", "integer"), ("text", "number"), ("notes", ""), ("notes", ""),
    ]  # fmt: skip
