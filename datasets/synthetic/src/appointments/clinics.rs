//! Outpatient clinics: how often people are referred to them, how long they wait, how often they come back.

use crate::conditions::Condition::{self, *};
use crate::pathways::BANDS;

/// A clinic.
pub(super) struct Clinic {
    /// Main specialty and treatment function.
    pub(super) specialty: (&'static str, &'static str),
    /// First referrals in a year per 100,000 people of the age band.
    pub(super) rates: [u32; BANDS],
    /// Women's rate in hundredths of the average of both.
    pub(super) women: u32,
    /// The rate of the most deprived tenth in hundredths of the least deprived.
    pub(super) poorest: u32,
    /// The chance of each further visit, in hundredths.
    pub(super) further: u32,
    /// Days between visits, least and most.
    pub(super) interval: (i32, i32),
    /// Urgent suspected cancer, in hundredths of first visits.
    pub(super) two_weeks: u32,
    /// Visits that can be held by telephone, in hundredths of the usual share.
    pub(super) remote: u32,
    /// A diagnosis, for the few visits that record one.
    pub(super) diagnosis: &'static str,
    /// A procedure in the clinic and its chance in hundredths of visits.
    pub(super) procedure: Option<(&'static str, u32)>,
}

const fn clinic(
    main: &'static str,
    treatment: &'static str,
    diagnosis: &'static str,
    further: u32,
    interval: (i32, i32),
    rates: [u32; BANDS],
) -> Clinic {
    Clinic {
        specialty: (main, treatment),
        rates,
        women: 100,
        poorest: 115,
        further,
        interval,
        two_weeks: 0,
        remote: 100,
        diagnosis,
        procedure: None,
    }
}

impl Clinic {
    const fn women(mut self, percent: u32) -> Self {
        self.women = percent;
        self
    }

    const fn poorest(mut self, percent: u32) -> Self {
        self.poorest = percent;
        self
    }

    const fn two_weeks(mut self, percent: u32) -> Self {
        self.two_weeks = percent;
        self
    }

    const fn remote(mut self, percent: u32) -> Self {
        self.remote = percent;
        self
    }

    const fn procedure(mut self, code: &'static str, percent: u32) -> Self {
        self.procedure = Some((code, percent));
        self
    }
}

#[rustfmt::skip]
pub(super) static CLINICS: [Clinic; 23] = [
    clinic("110", "110", "M171", 55, (28, 90), [300, 350, 1_000, 1_200, 1_100, 1_200, 1_600, 1_800, 1_900, 1_900, 1_500]).remote(60).procedure("W903", 4),
    clinic("130", "130", "H269", 62, (30, 180), [150, 600, 500, 280, 280, 400, 700, 1_200, 2_300, 3_300, 3_000]).remote(20).procedure("C794", 7),
    clinic("120", "120", "R69X", 42, (40, 150), [200, 600, 450, 350, 350, 400, 500, 600, 750, 800, 700]).two_weeks(14).remote(50),
    clinic("330", "330", "C443", 45, (30, 150), [80, 150, 250, 450, 450, 500, 600, 800, 1_100, 1_300, 1_200]).two_weeks(30).remote(50).procedure("S065", 8),
    clinic("100", "100", "K802", 35, (30, 120), [100, 60, 60, 250, 400, 500, 600, 650, 700, 650, 450]).two_weeks(6),
    clinic("100", "103", "C509", 38, (14, 180), [0, 0, 0, 150, 350, 600, 600, 450, 400, 300, 150]).women(196).two_weeks(65).poorest(90),
    clinic("100", "104", "K573", 35, (20, 120), [0, 0, 10, 80, 200, 300, 500, 650, 800, 800, 450]).two_weeks(38),
    clinic("101", "101", "C61X", 48, (30, 150), [60, 60, 60, 120, 180, 250, 400, 700, 1_100, 1_200, 900]).women(60).two_weeks(20).procedure("M459", 8),
    clinic("502", "502", "R104", 42, (30, 120), [0, 0, 20, 600, 1_000, 1_000, 900, 500, 350, 300, 150]).women(200).two_weeks(14).procedure("Q188", 6),
    clinic("320", "320", "I251", 48, (40, 200), [80, 40, 50, 120, 180, 300, 500, 750, 1_000, 1_200, 900]).procedure("U201", 8),
    clinic("340", "340", "J449", 52, (40, 180), [20, 40, 50, 100, 150, 200, 300, 500, 700, 700, 450]).two_weeks(14).poorest(150),
    clinic("301", "301", "K529", 50, (40, 180), [20, 30, 50, 250, 350, 380, 450, 550, 600, 550, 350]).two_weeks(15),
    clinic("400", "400", "G409", 45, (60, 240), [20, 20, 60, 250, 330, 380, 430, 450, 480, 450, 250]),
    clinic("410", "410", "M545", 62, (60, 200), [0, 10, 40, 120, 220, 300, 420, 450, 420, 350, 200]).women(130),
    clinic("300", "302", "E669", 58, (60, 240), [5, 10, 30, 100, 170, 200, 220, 240, 240, 200, 100]).women(135),
    clinic("420", "420", "J459", 52, (40, 180), [2_600, 1_500, 800, 80, 0, 0, 0, 0, 0, 0, 0]).poorest(140),
    clinic("960", "650", "M545", 66, (10, 35), [80, 60, 300, 700, 900, 1_100, 1_300, 1_200, 1_100, 900, 600]).women(115).remote(80),
    clinic("145", "145", "R69X", 35, (30, 120), [20, 80, 250, 350, 300, 250, 220, 200, 180, 150, 100]).two_weeks(8).remote(40).procedure("F093", 12),
    clinic("710", "710", "F329", 72, (14, 90), [0, 0, 0, 600, 500, 420, 360, 250, 150, 150, 100]).poorest(230).remote(130),
    clinic("711", "711", "F329", 74, (10, 60), [0, 20, 350, 160, 0, 0, 0, 0, 0, 0, 0]).poorest(170).remote(130),
    clinic("430", "430", "R55X", 40, (40, 150), [0, 0, 0, 0, 0, 0, 0, 5, 90, 450, 800]),
    clinic("303", "303", "R69X", 60, (20, 120), [20, 20, 20, 60, 90, 110, 150, 200, 300, 400, 300]).two_weeks(10),
    clinic("361", "361", "N189", 60, (40, 150), [5, 5, 5, 20, 30, 40, 60, 100, 180, 300, 250]).poorest(140),
];

pub(super) static MIDWIFE_CLINIC: Clinic =
    clinic("560", "560", "R69X", 0, (20, 40), [0; BANDS]).women(200);
pub(super) static ANTENATAL_CLINIC: Clinic =
    clinic("501", "501", "O342", 0, (20, 40), [0; BANDS]).women(200).remote(40);

/// Regular visits for a long-term condition.
pub(super) struct LongTerm {
    pub(super) condition: Condition,
    pub(super) clinic: Clinic,
    /// In a year, for 100 people.
    pub(super) visits: u32,
    /// For so long after it began.
    pub(super) for_years: Option<i32>,
}

const fn regular(
    condition: Condition,
    visits: u32,
    for_years: Option<i32>,
    specialty: (&'static str, &'static str),
    diagnosis: &'static str,
) -> LongTerm {
    let clinic = clinic(specialty.0, specialty.1, diagnosis, 0, (60, 180), [0; BANDS]);
    LongTerm { condition, clinic, visits, for_years }
}

pub(super) static LONG_TERM: [LongTerm; 13] = [
    regular(Diabetes, 60, None, ("302", "307"), "E119"),
    regular(Diabetes, 28, None, ("130", "130"), "E119"),
    regular(HeartDisease, 28, None, ("320", "320"), "I251"),
    regular(HeartFailure, 80, None, ("320", "320"), "I509"),
    regular(Fibrillation, 70, None, ("303", "324"), "I489"),
    regular(Copd, 40, None, ("340", "340"), "J449"),
    regular(Asthma, 10, None, ("340", "340"), "J459"),
    regular(Kidney, 45, None, ("361", "361"), "N189"),
    regular(Cancer, 240, Some(4), ("370", "370"), "C189"),
    regular(Cancer, 90, Some(8), ("800", "800"), "C509"),
    regular(Mental, 36, None, ("710", "710"), "F329"),
    regular(Frailty, 22, None, ("430", "430"), "R55X"),
    regular(Alcohol, 30, None, ("710", "721"), "F102"),
];

/// Whether a main specialty belongs to a mental health trust.
pub(crate) fn is_psychiatric(main: &str) -> bool {
    matches!(main, "710" | "711")
}
