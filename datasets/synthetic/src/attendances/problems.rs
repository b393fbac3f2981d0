//! Why people come to A&E: one entry for each diagnosis, with how often by age, and what is done about it. Shares
//! are of the size that national publications show, made up in detail.

use crate::calendar::{Day, YEARS};
use crate::conditions::Condition::{self, *};
use crate::draw::Draw;
use crate::pathways::{BANDS, Season};
use crate::person::Person;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Illness,
    Mind,
    Injury,
    Fracture,
    Poison,
}

/// A reason to come.
#[derive(Debug)]
pub(crate) struct Problem {
    pub(crate) kind: Kind,
    /// As A&E departments code it; its first two characters are the shorter form.
    pub(crate) diagnosis: &'static str,
    /// Of those who come without being admitted, by band of age.
    weights: [u32; BANDS],
    /// Women's weight in hundredths of the average of both.
    women: u32,
    /// Conditions that make it likelier, in hundredths.
    boosts: &'static [(Condition, u32)],
    pub(super) season: Season,
    /// Brought by ambulance, in hundredths of the young.
    pub(super) ambulance: u32,
    /// How readily it is taken to minor injury units and walk-in centres, in hundredths.
    minor: u32,
    /// Seen in departments of one specialty, in hundredths.
    single: u32,
    /// Parts of the body; none where none is recorded.
    pub(crate) body: &'static [(&'static str, u32)],
    /// Investigations and treatments, each with its chance in hundredths.
    pub(crate) investigations: &'static [(&'static str, u32)],
    pub(crate) treatments: &'static [(&'static str, u32)],
}

type Shares = &'static [(&'static str, u32)];

const fn problem(
    kind: Kind,
    diagnosis: &'static str,
    weights: [u32; BANDS],
    (ambulance, minor): (u32, u32),
    investigations: Shares,
    treatments: Shares,
) -> Problem {
    Problem {
        kind,
        diagnosis,
        weights,
        women: 100,
        boosts: &[],
        season: Season::Even,
        ambulance,
        minor,
        single: 0,
        body: &[],
        investigations,
        treatments,
    }
}

impl Problem {
    const fn women(mut self, percent: u32) -> Self {
        self.women = percent;
        self
    }

    const fn boosts(mut self, boosts: &'static [(Condition, u32)]) -> Self {
        self.boosts = boosts;
        self
    }

    const fn winter(mut self) -> Self {
        self.season = Season::Winter;
        self
    }

    const fn single(mut self, percent: u32) -> Self {
        self.single = percent;
        self
    }

    const fn body(mut self, body: Shares) -> Self {
        self.body = body;
        self
    }
}

use Kind::*;

const NEVER: [u32; BANDS] = [0; BANDS];
const BLOODS: Shares = &[("03", 72), ("05", 72), ("02", 40), ("06", 25), ("01", 25)];
const HEART: Shares = &[("02", 95), ("03", 80), ("05", 80), ("16", 55), ("01", 50)];
const BELLY: Shares = &[("03", 60), ("05", 60), ("06", 55), ("10", 10), ("12", 7)];
const WATCHED: Shares = &[("21", 45), ("30", 40), ("12", 25), ("511", 25)];
const ADVICE: Shares = &[("222", 55), ("57", 22), ("511", 15)];
const LIMBS: Shares =
    &[("17", 18), ("16", 14), ("15", 14), ("33", 14), ("34", 12), ("31", 10), ("10", 9), ("32", 9)];

#[rustfmt::skip]
pub(crate) static PROBLEMS: [Problem; 37] = [
    problem(Injury, "01", [20, 90, 90, 80, 70, 60, 60, 55, 50, 50, 55], (8, 55), &[("01", 12)],
        &[("34", 32), ("011", 32), ("031", 22), ("041", 18), ("042", 16), ("243", 9)])
        .women(80).body(&[("17", 40), ("16", 18), ("02", 14), ("03", 14), ("32", 14)]),
    problem(Injury, "021", [15, 45, 60, 45, 35, 35, 40, 45, 55, 80, 110], (14, 50), &[("01", 55)], &[("222", 60), ("511", 20)])
        .body(LIMBS),
    problem(Fracture, "053", [5, 40, 110, 55, 40, 40, 50, 60, 70, 80, 90], (18, 36), &[("01", 97), ("12", 4)],
        &[("051", 42), ("36", 20), ("511", 30), ("06", 12), ("53", 10)])
        .body(&[("15", 26), ("17", 22), ("33", 16), ("34", 14), ("14", 12), ("10", 10)]),
    problem(Injury, "06", [3, 15, 110, 110, 80, 65, 60, 50, 30, 15, 10], (4, 58), &[("01", 58)], &[("02", 40), ("222", 50), ("53", 14)])
        .body(&[("33", 45), ("31", 18), ("15", 18), ("34", 10), ("18", 9)]),
    problem(Injury, "03", [10, 20, 60, 80, 70, 65, 65, 60, 50, 40, 35], (6, 50), &[("01", 35)], &[("222", 60), ("511", 18), ("57", 12)])
        .body(LIMBS),
    problem(Injury, "042", [90, 130, 80, 40, 30, 25, 25, 30, 40, 90, 150], (26, 24), &[("12", 22)], &[("222", 60), ("21", 35), ("011", 10)])
        .body(&[("02", 1)]),
    problem(Injury, "102", [25, 35, 10, 15, 12, 10, 8, 7, 5, 5, 4], (8, 48), &[], &[("011", 75), ("511", 20)])
        .body(&[("16", 40), ("17", 25), ("34", 15), ("03", 10), ("22", 10)]),
    problem(Injury, "12", [15, 70, 35, 20, 20, 20, 20, 15, 10, 8, 6], (3, 45), &[("01", 15)], &[("08", 65), ("222", 30)])
        .single(12).body(&[("04", 45), ("06", 15), ("05", 15), ("17", 25)]),
    problem(Injury, "13", [3, 15, 15, 15, 15, 12, 12, 10, 6, 4, 2], (3, 62), &[], &[("34", 45), ("57", 45), ("243", 20)])
        .body(LIMBS),
    problem(Poison, "142", [4, 20, 12, 70, 40, 28, 22, 10, 4, 3, 3], (60, 1), &[("05", 70), ("03", 60), ("02", 50), ("18", 20)], &[("21", 60), ("30", 30), ("14", 4)])
        .women(132).boosts(&[(Mental, 450), (Alcohol, 200)]),
    problem(Poison, "144", [0, 0, 3, 45, 30, 30, 35, 22, 10, 5, 2], (68, 1), &[("05", 45), ("03", 40), ("12", 8)], &[("21", 60), ("12", 25)])
        .women(70).boosts(&[(Alcohol, 800)]),
    problem(Illness, "172", [220, 190, 70, 35, 25, 18, 15, 15, 15, 20, 25], (10, 32), &[("06", 20), ("03", 12)], ADVICE).winter(),
    problem(Illness, "18", [20, 30, 30, 35, 35, 32, 30, 28, 25, 25, 25], (5, 40), &[("03", 20), ("05", 20)], &[("57", 55), ("11", 10), ("511", 15)])
        .boosts(&[(Diabetes, 180)]),
    problem(Illness, "19", NEVER, (60, 0), &[("19", 80), ("03", 95), ("05", 95), ("17", 60), ("01", 60)], &[("12", 90), ("43", 80), ("291", 80), ("40", 30)]),
    problem(Illness, "201", NEVER, (60, 0), HEART, &[("12", 70), ("511", 60), ("40", 20), ("181", 2)]),
    problem(Illness, "202", [5, 5, 10, 40, 50, 65, 95, 110, 120, 130, 140], (42, 3), HEART, WATCHED)
        .boosts(&[(HeartDisease, 200), (Fibrillation, 200), (HeartFailure, 160)]),
    problem(Illness, "21", [0, 0, 0, 2, 4, 8, 15, 22, 35, 55, 70], (55, 1), &[("12", 80), ("02", 70), ("03", 80), ("05", 80)], WATCHED),
    problem(Illness, "241", [15, 25, 10, 14, 12, 12, 12, 10, 8, 8, 8], (72, 1), BLOODS, WATCHED),
    problem(Illness, "242", [5, 15, 20, 40, 45, 40, 35, 30, 25, 25, 25], (25, 10), &[("12", 28), ("03", 40), ("05", 40)], ADVICE).women(120),
    problem(Illness, "251", [10, 60, 40, 18, 15, 14, 14, 14, 12, 10, 8], (25, 12), &[("01", 20), ("17", 8)], &[("25", 85), ("511", 50), ("40", 15)])
        .winter().boosts(&[(Asthma, 500)]),
    problem(Illness, "252", [240, 120, 25, 25, 25, 28, 35, 50, 75, 95, 120], (28, 14), &[("01", 50), ("03", 45), ("05", 45), ("02", 30)], &[("25", 25), ("57", 28), ("40", 12), ("511", 15)])
        .winter().boosts(&[(Copd, 300), (HeartFailure, 160)]),
    problem(Illness, "261", [2, 3, 3, 10, 12, 12, 14, 15, 16, 18, 20], (25, 3), BLOODS, &[("12", 60), ("43", 20), ("44", 5)]),
    problem(Illness, "262", [25, 50, 80, 120, 110, 90, 80, 70, 65, 65, 60], (20, 10), BELLY, &[("511", 35), ("12", 30), ("222", 35)]).women(128),
    problem(Illness, "263", [130, 70, 25, 30, 28, 25, 25, 25, 25, 30, 40], (14, 18), BELLY, ADVICE),
    problem(Illness, "27", [10, 15, 15, 35, 35, 35, 38, 40, 45, 60, 80], (18, 18), &[("06", 90), ("03", 35), ("05", 35)], &[("57", 45), ("17", 14), ("511", 20)])
        .boosts(&[(Frailty, 160)]),
    problem(Illness, "28", [0, 0, 0, 45, 70, 25, 1, 0, 0, 0, 0], (8, 4), &[("21", 60), ("10", 25), ("06", 50), ("03", 40)], ADVICE).women(200).single(30),
    problem(Illness, "29", [0, 0, 3, 35, 40, 25, 12, 5, 3, 2, 1], (10, 6), &[("06", 60), ("21", 55), ("03", 45)], ADVICE).women(200).single(8),
    problem(Illness, "301", [2, 3, 5, 6, 6, 7, 9, 10, 11, 12, 12], (40, 4), BLOODS, &[("12", 40), ("43", 35), ("513", 25)])
        .boosts(&[(Diabetes, 500)]),
    problem(Illness, "31", [40, 45, 25, 25, 22, 18, 16, 14, 12, 10, 10], (3, 55), &[], ADVICE),
    problem(Illness, "32", [25, 35, 20, 22, 20, 16, 14, 12, 8, 6, 4], (18, 30), &[], &[("511", 55), ("57", 25), ("512", 8)]),
    problem(Illness, "33", [2, 8, 8, 30, 35, 25, 18, 12, 6, 4, 2], (4, 40), &[("22", 10)], &[("57", 50), ("56", 20)])
        .single(10).body(&[("07", 1)]),
    problem(Illness, "34", [45, 70, 40, 40, 35, 30, 28, 25, 22, 22, 20], (6, 42), &[], &[("57", 40), ("222", 40), ("37", 6)])
        .body(&[("05", 40), ("08", 40), ("06", 20)]),
    problem(Mind, "35", [0, 0, 10, 65, 55, 50, 40, 22, 10, 8, 6], (48, 3), &[("05", 25), ("03", 25)], &[("222", 60), ("21", 30)])
        .boosts(&[(Condition::Mental, 500)]),
    problem(Illness, "36", [20, 30, 25, 40, 45, 45, 48, 45, 40, 35, 25], (2, 30), &[("23", 30)], &[("517", 45), ("57", 30), ("14", 8)])
        .single(32).body(&[("04", 1)]),
    problem(Mind, "37", [3, 3, 5, 10, 12, 14, 14, 10, 8, 15, 35], (55, 4), &[], &[("54", 25), ("222", 50)])
        .boosts(&[(Alcohol, 600), (Frailty, 200)]),
    problem(Illness, "38", [60, 60, 50, 70, 70, 65, 65, 65, 65, 75, 90], (24, 26), BLOODS, ADVICE),
    problem(Illness, "39", [50, 45, 30, 30, 25, 22, 20, 18, 15, 15, 15], (16, 24), &[("01", 15), ("03", 15)], &[("222", 70)]),
];

/// Somebody whose heart has stopped.
pub(super) static UNCLASSIFIED: Problem =
    problem(Illness, "38", NEVER, (100, 0), &[("17", 50)], &[("19", 85), ("15", 50)]);

/// Why this person came, without being admitted.
pub(super) fn chosen(person: &Person, band: usize, at: Day, draw: &mut Draw) -> &'static Problem {
    let weights = PROBLEMS.each_ref().map(|problem| {
        let sex = if person.male { 200 - problem.women } else { problem.women };
        let of_condition = |(condition, percent): &(Condition, u32)| {
            if person.conditions.has(*condition, at) { *percent } else { 100 }
        };
        problem
            .boosts
            .iter()
            .map(of_condition)
            .fold(problem.weights[band] * sex, |weight, percent| weight * percent / 100)
    });
    &PROBLEMS[draw.position(&weights)]
}

/// What the department found in somebody who was then admitted with this diagnosis, and where.
pub(super) fn of_admission(icd: &str) -> (&'static Problem, Option<&'static str>) {
    let (code, body) = match icd.get(..3).unwrap_or_default() {
        "J18" | "J22" | "J44" | "U07" | "C34" => ("252", None),
        "J45" => ("251", None),
        "A41" => ("19", None),
        "I50" | "I48" | "R07" => ("202", None),
        "I21" => ("201", None),
        "I63" => ("21", None),
        "N39" | "N17" => ("27", None),
        "S72" => ("053", Some("28")),
        "S52" => ("053", Some("14")),
        "S09" => ("042", Some("02")),
        "E10" | "E11" => ("301", None),
        "T39" => ("142", None),
        "F10" => ("144", None),
        "F20" | "F32" => ("35", None),
        "L03" => ("18", Some("32")),
        "A09" | "K52" => ("263", None),
        "B34" => ("172", None),
        "K57" => ("261", None),
        "K35" | "K80" | "R10" => ("262", Some("24")),
        "G40" => ("241", None),
        _ => ("38", None),
    };
    let found = PROBLEMS.iter().find(|problem| problem.diagnosis == code);
    (found.unwrap_or(&UNCLASSIFIED), body)
}

/// Walk-in centres closed one by one: of attendances at minor units, in hundredths.
const WALK_IN: [u32; YEARS] = [32, 30, 27, 24, 21, 18, 16, 10, 10, 9];

impl Problem {
    pub(super) fn department(&self, year: usize, draw: &mut Draw) -> &'static str {
        let (minor, single) = (self.minor * 13, self.single * 10);
        match draw.below(1000) {
            at if at < minor && draw.percent(WALK_IN[year]) => "04",
            at if at < minor => "03",
            at if at < minor + single => "02",
            998.. => "99",
            _ => "01",
        }
    }

    /// What becomes of somebody who is not admitted.
    pub(super) fn disposal(&self, major: bool, year: usize, draw: &mut Draw) -> &'static str {
        let left = if major { 40 + 4 * year as u32 } else { 16 };
        let weights = match self.kind {
            Kind::Fracture => [100, 130, 40, 600, 50, 12, 12, left / 4, 2, 8],
            Kind::Injury => [190, 590, 55, 40, 25, 10, 22, left, 4, 14],
            Kind::Poison => [250, 470, 4, 0, 40, 18, 90, left * 2, 30, 20],
            Kind::Mind => [210, 370, 4, 0, 50, 40, 190, left * 2, 24, 26],
            Kind::Illness => [350, 450, 14, 1, 65, 16, 36, left, 6, 16],
        };
        ["02", "03", "04", "05", "06", "07", "11", "12", "13", "14"][draw.position(&weights)]
    }

    /// `AEPATGROUP`.
    pub(super) fn group(&self, years: i32, draw: &mut Draw) -> &'static str {
        let young = u32::from((8..=45).contains(&years));
        let weights = match self.kind {
            Kind::Illness => [1, 0, 0, 0, 0, 12, 955, 32],
            Kind::Mind => [1, 4, 90, 0, 0, 6, 870, 29],
            Kind::Poison => [1, 3, 640, 0, 0, 90, 240, 26],
            Kind::Injury | Kind::Fracture => [45, 10 + 42 * young, 4, 85 * young, 1, 720, 105, 30],
        };
        ["10", "20", "30", "40", "50", "60", "80", "99"][draw.position(&weights)]
    }
}
