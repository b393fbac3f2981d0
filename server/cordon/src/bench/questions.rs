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
    /// Whether a magnitude is added up or ranked, such as days in hospital, and not only people and records.
    pub(super) weighs: bool,
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
    (weighs $name:literal, $smoke:literal, $sums:expr, $needs:expr) => {
        Question { weighs: true, ..question!($name, $smoke, $sums, $needs) }
    };
    ($name:literal, $smoke:literal, $sums:expr, $needs:expr) => {
        Question {
            weighs: false,
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
    question!(weighs "03-emergency-imd", true, &["bed_days"], &[]),
    question!("04-icb-admission", false, &[], &[]),
    question!(weighs "05-los-hrg", true, &[], &[]),
    question!("06-readmission-30d", true, &[], &[]),
    question!("07-first-attendance-month", false, &[], &[]),
    question!("08-dna-rate-specialty", true, &[], &[("dna_rate", Need::Numerator)]),
    question!("09-persons-practice", true, &[], &[]),
    question!(weighs "10-rollup-region-icb-provider", true, &["bed_days"], &[]),
    question!("11-persons-lsoa-op", true, &[], &[]),
    question!("12-diagnosis-sex", false, &[], &[]),
    question!("13-cohort-outcome", true, &[], &[]),
    question!("14-weekly-series-op", true, &[], &[("not_attended", Need::Numerator)]),
    question!("15-ethnicity-emergency", false, &[], &[("emergency_share", Need::Numerator)]),
    question!(
        weighs "16-los-quantiles",
        false,
        &[],
        &[("median_los", Need::People(20.0)), ("p90_los", Need::People(100.0))]
    ),
];

/// Those about A&E, for a store that holds `hes.ae`: each in place of the one with its number.
pub(super) const EMERGENCY: [Question; 3] = [
    question!("07-ae-then-admission", false, &[], &[]),
    question!("11-persons-lsoa", false, &[], &[]),
    question!("14-weekly-series", false, &[], &[("over_4h", Need::Numerator)]),
];

/// What engines are compared by: as many questions with `hes.ae` as without.
pub(super) fn for_peers(emergency: bool) -> Vec<Question> {
    let other = |question: &Question| {
        let same = |other: &&Question| other.number() == question.number();
        EMERGENCY.iter().find(same).filter(|_| emergency).copied()
    };
    QUESTIONS.iter().map(|question| other(question).unwrap_or(*question)).collect()
}

impl Question {
    fn number(&self) -> &'static str {
        self.name.split_once('-').map_or(self.name, |(number, _)| number)
    }
}

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
