# Reference figures of regression.py, by other authors' code. Run in this folder: Rscript make.R
library(lme4); library(pbkrtest); library(clubSandwich)
out <- list()
add <- function(data, model, term, value, se, df) cat(sprintf("%s,%s,%s,%.10g,%.10g,%.10g\n", data, model, term, value, se, df), file = "reference.csv", append = TRUE)
cat("data,model,term,value,se,df\n", file = "reference.csv")
for (name in c("repeated", "rare", "sessions", "single")) {
  d <- read.csv(paste0(name, ".csv")); d$session <- factor(paste(d$patient, d$session)); d$patient <- factor(d$patient)
  ols <- lm(after ~ pop + before, d)
  test <- coef_test(ols, vcov = vcovCR(ols, cluster = d$patient, type = "CR2"), test = "Satterthwaite")
  for (i in 1:3) add(name, "CR2", c("one", "pop", "before")[i], test$beta[i], test$SE[i], test$df_Satt[i])
  if (name == "single") next
  control <- lmerControl(optCtrl = list(xtol_abs = 1e-10, ftol_abs = 1e-12))
  mixed <- if (name == "sessions") lmer(after ~ pop + before + (1 | patient) + (1 | session), d, control = control) else lmer(after ~ pop + before + (1 | patient), d, control = control)
  v <- vcovAdj(mixed)
  for (i in 1:3) { l <- rep(0, 3); l[i] <- 1
    add(name, "KR", c("one", "pop", "before")[i], fixef(mixed)[i], sqrt(as.matrix(v)[i, i]), get_Lb_ddf(mixed, l)) }
  print(VarCorr(mixed))
}
