//! The questions of the benchmarks: those that commissioners and researchers ask of HES every week.
//!
//! Each text holds a remark that the analyst's side reads as a remark, and the truth's side as one more column:
//! how many people are behind each group.

/// One question.
#[derive(Clone, Copy)]
pub(super) struct Question {
    pub(super) name: &'static str,
    pub(super) sql: &'static str,
    /// Whether it is one of the ten of `bench smoke`.
    pub(super) smoke: bool,
    /// Which columns are sums, whose errors follow other rules than those of counts.
    pub(super) sums: &'static [&'static str],
    /// What other columns need beside ten people in their group.
    pub(super) needs: &'static [(&'static str, Need)],
}

/// When a figure could be shown at all.
#[derive(Clone, Copy)]
pub(super) enum Need {
    /// So many people: a quantile has ten on its smaller side.
    People(f64),
    /// A share: ten in its numerator.
    Numerator,
}

macro_rules! question {
    ($name:literal, $smoke:literal, $sums:expr, $needs:expr) => {
        Question {
            name: $name,
            sql: include_str!(concat!("queries/", $name, ".sql")),
            smoke: $smoke,
            sums: $sums,
            needs: $needs,
        }
    };
}

pub(super) const QUESTIONS: [Question; 16] = [
    question!("01-provider-month", true, &[], &[]),
    question!("02-age-sex-year", false, &[], &[]),
    question!("03-emergency-imd", true, &["bed_days"], &[]),
    question!("04-icb-admission", false, &[], &[]),
    question!("05-los-hrg", true, &[], &[]),
    question!("06-readmission-30d", true, &[], &[]),
    question!("07-first-attendance-month", false, &[], &[]),
    question!("08-dna-rate-specialty", true, &[], &[("dna_rate", Need::Numerator)]),
    question!("09-persons-practice", true, &[], &[]),
    question!("10-rollup-region-icb-provider", true, &["bed_days"], &[]),
    question!("11-persons-lsoa", true, &[], &[]),
    question!("12-diagnosis-sex", false, &[], &[]),
    question!("13-cohort-outcome", true, &[], &[]),
    question!("14-weekly-series", true, &[], &[("not_attended", Need::Numerator)]),
    question!("15-ethnicity-emergency", false, &[], &[("emergency_share", Need::Numerator)]),
    question!(
        "16-los-quantiles",
        false,
        &[],
        &[("median_los", Need::People(20.0)), ("p90_los", Need::People(100.0))]
    ),
];

/// The column that the truth has beside those of the answer.
pub(super) const BEHIND: &str = "behind";

/// The text as the truth's side runs it.
pub(super) fn with_people(sql: &str) -> String {
    expanded(&expanded(sql, "who", |who| format!(", {who}")), "behind", |who| {
        format!(", count(DISTINCT {who}) AS {BEHIND}")
    })
}

/// Replaces each remark `/* word argument */`.
fn expanded(sql: &str, word: &str, by: impl Fn(&str) -> String) -> String {
    let start = format!("/* {word} ");
    let mut parts = sql.split(start.as_str());
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (argument, rest) = part.split_once(" */").unwrap_or((part, ""));
        text.push_str(&by(argument));
        text.push_str(rest);
    }
    text
}
