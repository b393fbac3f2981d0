//! One made-up person: born, living somewhere, falling ill, dying. Everything that the person's rows have in
//! common, drawn from the seed and the person's number alone.

use crate::calendar::{Day, END, START, YEARS, age, year_start};
use crate::conditions::{Condition, Conditions, gradient};
use crate::draw::{Draw, Purpose};
use crate::world::WORLD;

pub(crate) struct Person {
    pub(crate) index: u64,
    pub(crate) pseudonym: [u8; 32],
    pub(crate) birth: Day,
    /// The day of death, if it lies within the data.
    pub(crate) death: Option<Day>,
    pub(crate) male: bool,
    /// Position in `ETHNICITIES`.
    pub(crate) ethnicity: usize,
    /// The code that most records carry, which may be that nothing was stated.
    pub(crate) stated: bool,
    pub(crate) area: u32,
    pub(crate) practice: u32,
    pub(crate) trust: u32,
    pub(crate) decile: u32,
    pub(crate) conditions: Conditions,
    /// How readily the person comes to hospital, in hundredths of the average.
    pub(crate) readiness: u32,
    /// First and last day of dialysis three times a week.
    pub(crate) dialysis: Option<(Day, Day)>,
}

/// Years of age at the start of the data (below zero: born in it), and how many people.
#[rustfmt::skip]
static AGES: [((i32, i32), u32); 22] = [
    ((-10, -1), 108), ((0, 4), 61), ((5, 9), 57), ((10, 14), 54), ((15, 19), 58), ((20, 24), 62),
    ((25, 29), 62), ((30, 34), 61), ((35, 39), 57), ((40, 44), 65), ((45, 49), 66), ((50, 54), 60),
    ((55, 59), 52), ((60, 64), 51), ((65, 69), 50), ((70, 74), 37), ((75, 79), 31), ((80, 84), 23),
    ((85, 89), 13), ((90, 94), 6), ((95, 98), 2), ((99, 102), 1),
];

/// Deaths in a year per 100,000 men of age 0, 1-4, 5-9, … 95 and over; women have two thirds of it.
#[rustfmt::skip]
const DEATHS: [u32; 21] = [
    400, 18, 9, 11, 30, 55, 65, 85, 120, 180, 270, 400, 620, 980, 1_500, 2_450, 4_200, 7_300, 12_800, 21_000,
    32_000,
];

/// Deaths of each financial year in hundredths: flu years, and the first year of the pandemic.
const DEATH_YEARS: [u32; YEARS] = [96, 102, 99, 100, 103, 97, 100, 117, 103, 106];

#[rustfmt::skip]
static READINESS: [(u32, u32); 6] = [(35, 30), (70, 30), (105, 22), (170, 12), (320, 5), (700, 1)];

impl Person {
    pub(crate) fn new(seed: u64, index: u64) -> Self {
        let mut draw = Draw::new(seed, index, Purpose::Person);
        let (youngest, oldest) = draw.weighted(&AGES);
        let latest = crate::calendar::day(2013 - youngest, 3, 31);
        let earliest = crate::calendar::day(2012 - oldest, 4, 1);
        let birth = draw.between(earliest, latest.min(END));
        let male = draw.below(1000) < if birth < START - 75 * 365 { 430 } else { 500 };
        let area = draw.below(WORLD.areas.len() as u32);
        let place = &WORLD.areas[area as usize];
        let part = &WORLD.parts[place.part];
        // The practice lies near: at the same share of the way through the part, or next to it.
        let (from, to) = (part.practices.start, part.practices.end);
        let near = from
            + (area - part.areas.start) * (to - from) / (part.areas.end - part.areas.start).max(1);
        let practice = match draw.below(10) {
            0 => near.saturating_sub(1).max(from),
            1 => (near + 1).min(to.saturating_sub(1)),
            2 => from + draw.below((to - from).max(1)),
            _ => near,
        };
        let mut person = Self {
            index,
            pseudonym: pseudonym(seed, index),
            birth,
            death: None,
            male,
            ethnicity: draw.position(&WORLD.region_of(area).ethnicity),
            stated: !draw.percent(8),
            area,
            practice,
            trust: place.trust,
            decile: place.decile,
            conditions: Conditions::draw(&mut draw, birth, place.decile),
            readiness: draw.weighted(&READINESS),
            dialysis: None,
        };
        person.death = person.draw_death(&mut draw);
        person.dialysis = person.draw_dialysis(&mut draw);
        person
    }

    /// The last day on which the person can have a row.
    pub(crate) fn last_day(&self) -> Day {
        self.death.unwrap_or(END)
    }

    /// The first day on which the person can have a row.
    pub(crate) fn first_day(&self) -> Day {
        self.birth.max(START)
    }

    fn draw_death(&self, draw: &mut Draw) -> Option<Day> {
        for (year, &of_year) in DEATH_YEARS.iter().enumerate() {
            let start = year_start(year);
            let chance = draw.below(10_000_000);
            let day = start + winter_day(draw);
            if day <= self.birth {
                continue;
            }
            let row = match age(self.birth, day) {
                0 => 0,
                1..=4 => 1,
                years => (years as usize / 5 + 1).min(20),
            };
            let mut rate = DEATHS[row] * if self.male { 100 } else { 68 } / 100;
            rate = rate * gradient(210, self.decile) / 150 * of_year / 100;
            for (condition, percent) in DEADLY {
                if self.conditions.has(condition, day) {
                    rate = rate * percent / 100;
                }
            }
            // Those who have none of these die less often, so that the total stays.
            if u64::from(chance) < u64::from(rate) * 72 {
                return Some(day.min(END));
            }
        }
        None
    }

    fn draw_dialysis(&self, draw: &mut Draw) -> Option<(Day, Day)> {
        let chosen = draw.below(1000) < 4;
        let from = START + draw.between(-600, 3_400);
        let length = draw.between(300, 1_100);
        let from = from.max(self.conditions.onset(Condition::Kidney)? + 200);
        let years = age(self.birth, from);
        (chosen && from < self.last_day() && years < 84)
            .then(|| (from.max(START), (from + length).min(self.last_day())))
    }
}

const DEADLY: [(Condition, u32); 6] = [
    (Condition::HeartFailure, 190),
    (Condition::Copd, 160),
    (Condition::Cancer, 210),
    (Condition::Frailty, 150),
    (Condition::Alcohol, 200),
    (Condition::Diabetes, 120),
];

/// A day of the financial year, one in five of them moved to the winter months.
fn winter_day(draw: &mut Draw) -> Day {
    if draw.percent(14) { draw.between(240, 350) } else { draw.between(0, 364) }
}

/// `TEST` and 28 letters and digits: no real pseudonym begins so.
fn pseudonym(seed: u64, index: u64) -> [u8; 32] {
    const ALPHABET: &[u8; 36] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";
    let mut draw = Draw::new(seed, index, Purpose::Pseudonym);
    let mut text = *b"TEST000000000000000000000000000 ";
    for byte in &mut text[4..] {
        *byte = ALPHABET[draw.below(36) as usize];
    }
    text
}
