use super::*;

const EXACT: &str = r#"
name = "exact"
threshold = 2
rounding = 1
clip = "none"
zeros = "shown"
symbol = "[c]"
"#;

fn with(field: &str, line: &str) -> String {
    EXACT
        .lines()
        .map(|old| if old.starts_with(field) { line } else { old })
        .collect::<Vec<_>>()
        .join("\n")
}

#[test]
fn every_built_in_profile_is_valid_and_named_as_it_is_asked_for() {
    for (name, text) in BUILT_IN {
        let profile = Profile::from_toml(name, text).unwrap();
        assert_eq!(profile.name(), *name);
        assert_eq!(Profile::built_in(name), Some(profile));
    }
    let names: Vec<&str> = Profile::built_in_names().collect();
    assert_eq!(
        names,
        ["cell-key", "differential-privacy", "guarded", "hes-publication", "nhs-sde"]
    );
    assert_eq!(Profile::built_in("exact"), None);
    assert_eq!(Profile::built_in(""), None);
}

#[test]
fn the_numbers_of_the_built_in_profiles() {
    let sde = Profile::built_in("nhs-sde").unwrap();
    assert_eq!(
        (sde.threshold(), sde.rounding(), sde.clip(), sde.zeros(), sde.symbol()),
        (10, 5, Clip::ThresholdLargest, ZeroRule::Suppressed, "[c]")
    );
    assert_eq!(sde.significant_digits(), Some(3));
    let hes = Profile::built_in("hes-publication").unwrap();
    assert_eq!(
        (hes.threshold(), hes.rounding(), hes.clip(), hes.zeros(), hes.symbol()),
        (8, 5, Clip::None, ZeroRule::Shown, "*")
    );
    assert_eq!(hes.significant_digits(), None);
}

#[test]
fn numbers_that_would_promise_nothing_are_refused_by_name() {
    let text = include_str!("../../../profiles/differential-privacy.toml");
    assert!(Profile::from_toml("p", text).is_ok());
    for (from, to, problem) in [
        ("groups = 4", "groups = 0", "`groups` is 0"),
        ("rows = 5", "rows = 100000", "`rows` is 100000"),
        ("rho = 0.005", "rho = 0.0", "`rho` is 0"),
        ("rho = 0.005", "rho = 0.5", "`rho` times `budget` is 100"),
        ("delta = 1e-9", "delta = 1e-3", "`delta` is 0.001"),
        ("budget = 200.0", "growth_from = 3.0", "holds `budget` and nothing else"),
        ("rounding = 1", "rounding = 5", "`rounding = 1`"),
        ("clip = \"none\"", "clip = \"threshold-largest\"", "`clip = \"none\"`"),
        ("symbol", "cell_key = true\nsymbol", "keep one"),
    ] {
        let error = Profile::from_toml("p", &text.replacen(from, to, 1)).unwrap_err();
        assert!(error.problem.contains(problem), "{to}: {}", error.problem);
    }
}

#[test]
fn a_lenient_profile_can_be_written_down() {
    let exact = Profile::from_toml("exact", EXACT).unwrap();
    assert_eq!((exact.threshold(), exact.rounding(), exact.clip()), (2, 1, Clip::None));
}

#[test]
fn a_number_that_protects_nobody_is_refused_by_name() {
    for (field, line) in [
        ("threshold", "threshold = 1"),
        ("threshold", "threshold = 0"),
        ("threshold", "threshold = 1001"),
        ("rounding", "rounding = 0"),
        ("rounding", "rounding = 1001"),
        ("name", "name = \"Exact profile\""),
        ("symbol", "symbol = \"\""),
        ("symbol", "symbol = \"0\""),
        ("symbol", "symbol = \"=A\""),
        ("symbol", "symbol = \"a b\""),
        ("symbol", "symbol = \"suppressed\""),
        ("symbol", "symbol = \"a,b\""),
    ] {
        let error = Profile::from_toml("exact", &with(field, line)).unwrap_err();
        assert!(error.problem.contains(&format!("`{field}`")), "{line}: {error}");
        assert!(error.problem.contains("; write "), "{line}: {error}");
        assert_eq!(error.profile, "exact");
    }
    for digits in [0, 16] {
        let text = format!("{EXACT}significant_digits = {digits}");
        let error = Profile::from_toml("exact", &text).unwrap_err();
        assert!(error.problem.contains("`significant_digits`"), "{error}");
    }
}

#[test]
fn unknown_and_missing_fields_are_told_with_their_line() {
    let error = Profile::from_toml("exact", &format!("{EXACT}jitter = 4")).unwrap_err();
    assert!(error.problem.starts_with("line 8: unknown field `jitter`"), "{error}");
    let error = Profile::from_toml("exact", &with("zeros", "")).unwrap_err();
    assert!(error.problem.contains("missing field `zeros`"), "{error}");
    let error = Profile::from_toml("exact", &with("threshold", "threshold = -3")).unwrap_err();
    assert!(error.problem.starts_with("line 3"), "{error}");
}

#[test]
fn the_version_changes_with_every_field() {
    let exact = Profile::from_toml("exact", EXACT).unwrap().version();
    for (field, line) in [
        ("name", "name = \"exactly\""),
        ("threshold", "threshold = 3"),
        ("rounding", "rounding = 2"),
        ("clip", "clip = \"threshold-largest\""),
        ("zeros", "zeros = \"suppressed\""),
        ("symbol", "symbol = \"*\""),
    ] {
        let changed = Profile::from_toml("exact", &with(field, line)).unwrap().version();
        assert_ne!(exact, changed, "{field}");
    }
    let digits = format!("{EXACT}significant_digits = 3");
    assert_ne!(exact, Profile::from_toml("exact", &digits).unwrap().version());
}
