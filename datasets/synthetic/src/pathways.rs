//! Why people are admitted: one entry for each reason, with its rates by age, its codes and its stays.

mod table;

use crate::calendar::YEARS;
use crate::conditions::Condition;

pub(crate) use table::*;

/// Ages under 1, 1-4, 5-14, 15-24, … 75-84, 85 and over.
pub(crate) const BANDS: usize = 11;

/// Whether a stay is planned, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Emergency,
    /// Planned, with at least a night in hospital expected.
    Inpatient,
    /// Planned, in and out on one day.
    DayCase,
    /// One of a series of planned days (dialysis, infusions).
    RegularDay,
    Antenatal,
    Delivery,
    Birth,
}

/// When in the year it happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Season {
    Even,
    Winter,
    /// Planned work: less in August and December.
    Working,
}

/// A reason for admission.
pub(crate) struct Pathway {
    pub(crate) kind: Kind,
    /// Admissions in a year per 100,000 people of the band, or per 100,000 with the condition needed.
    pub(crate) rates: [u32; BANDS],
    pub(crate) needs: Option<Condition>,
    /// Conditions that make it likelier, in hundredths.
    pub(crate) boosts: &'static [(Condition, u32)],
    /// Women's rate in hundredths of the average of both; men have the rest of 200.
    pub(crate) women: u32,
    /// The rate of the most deprived tenth in hundredths of the least deprived.
    pub(crate) poorest: u32,
    pub(crate) season: Season,
    /// Rates of each financial year in hundredths.
    pub(crate) years: [u32; YEARS],
    pub(crate) primary: &'static [(&'static str, u32)],
    /// Further codes of the illness itself, each with its chance in hundredths.
    pub(crate) also: &'static [(&'static str, u32)],
    /// Procedures as coded, main one first; an empty one is none.
    pub(crate) procedures: &'static [(&'static [&'static str], u32)],
    /// Resource group without and with complications.
    pub(crate) groups: [&'static str; 2],
    /// Main specialty and treatment function.
    pub(crate) specialty: (&'static str, &'static str),
    /// Nights, by quantile.
    pub(crate) stay: [u16; 8],
    /// The chance of each further consultant episode, in hundredths.
    pub(crate) further: u32,
    /// The chance of an outpatient follow-up, in hundredths.
    pub(crate) follow_up: u32,
    /// The chance of an emergency readmission within 30 days, in thousandths.
    pub(crate) readmission: u32,
}

const ORDINARY_YEARS: [u32; YEARS] = [93, 95, 97, 99, 101, 104, 106, 86, 98, 100];
const PLANNED_YEARS: [u32; YEARS] = [94, 97, 100, 101, 103, 105, 104, 66, 93, 101];
const NO_YEARS: [u32; YEARS] = [100; YEARS];
const NO_RATES: [u32; BANDS] = [0; BANDS];
const NOTHING: &[&str] = &[];

const fn base(
    kind: Kind,
    primary: &'static [(&'static str, u32)],
    specialty: (&'static str, &'static str),
    groups: [&'static str; 2],
    rates: [u32; BANDS],
) -> Pathway {
    Pathway {
        kind,
        rates,
        needs: None,
        boosts: &[],
        women: 100,
        poorest: 100,
        season: Season::Even,
        years: NO_YEARS,
        primary,
        also: &[],
        procedures: &[(NOTHING, 1)],
        groups,
        specialty,
        stay: [0; 8],
        further: 0,
        follow_up: 0,
        readmission: 0,
    }
}

const fn emergency(
    primary: &'static [(&'static str, u32)],
    specialty: (&'static str, &'static str),
    groups: [&'static str; 2],
    rates: [u32; BANDS],
) -> Pathway {
    let mut pathway = base(Kind::Emergency, primary, specialty, groups, rates);
    pathway.poorest = 180;
    pathway.years = ORDINARY_YEARS;
    pathway.stay = [0, 0, 1, 3, 6, 12, 25, 60];
    pathway.further = 30;
    pathway.follow_up = 25;
    pathway.readmission = 95;
    pathway
}

const fn planned(
    kind: Kind,
    primary: &'static [(&'static str, u32)],
    specialty: (&'static str, &'static str),
    groups: [&'static str; 2],
    rates: [u32; BANDS],
) -> Pathway {
    let mut pathway = base(kind, primary, specialty, groups, rates);
    pathway.season = Season::Working;
    pathway.years = PLANNED_YEARS;
    pathway.follow_up = 40;
    pathway.readmission = 20;
    pathway
}

impl Pathway {
    const fn needs(mut self, condition: Condition) -> Self {
        self.needs = Some(condition);
        self
    }

    const fn boosts(mut self, boosts: &'static [(Condition, u32)]) -> Self {
        self.boosts = boosts;
        self
    }

    const fn women(mut self, percent: u32) -> Self {
        self.women = percent;
        self
    }

    const fn poorest(mut self, percent: u32) -> Self {
        self.poorest = percent;
        self
    }

    const fn winter(mut self) -> Self {
        self.season = Season::Winter;
        self
    }

    const fn years(mut self, years: [u32; YEARS]) -> Self {
        self.years = years;
        self
    }

    const fn also(mut self, also: &'static [(&'static str, u32)]) -> Self {
        self.also = also;
        self
    }

    const fn procedures(mut self, list: &'static [(&'static [&'static str], u32)]) -> Self {
        self.procedures = list;
        self
    }

    const fn stay(mut self, quantiles: [u16; 8]) -> Self {
        self.stay = quantiles;
        self
    }

    const fn further(mut self, percent: u32) -> Self {
        self.further = percent;
        self
    }

    const fn follow_up(mut self, percent: u32) -> Self {
        self.follow_up = percent;
        self
    }

    const fn readmission(mut self, thousandths: u32) -> Self {
        self.readmission = thousandths;
        self
    }

    pub(crate) fn is_emergency(&self) -> bool {
        self.kind == Kind::Emergency
    }
}

/// The band of an age in whole years.
pub(crate) fn band(age: i32) -> usize {
    match age {
        ..=0 => 0,
        1..=4 => 1,
        5..=14 => 2,
        years => (((years - 15) / 10) as usize + 3).min(BANDS - 1),
    }
}
