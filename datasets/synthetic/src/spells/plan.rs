//! Fills the timetable of one person: what happens by rate, in series, with children, and at the end of life.

use super::{Cause, Timetable};
use crate::calendar::{Day, PANDEMIC, START, YEARS, age, day, month_of, year_of, year_start};
use crate::conditions::{Condition, gradient};
use crate::draw::Draw;
use crate::pathways::*;
use crate::person::Person;

/// Brings the sum of all rates to about 25 episodes a year for 100 people.
const EMERGENCY_SCALE: u64 = 137;
const PLANNED_SCALE: u64 = 207;

/// Deliveries a year per 100,000 women of 15-19, 20-24, … 40-44.
const DELIVERIES: [u32; 6] = [1_800, 5_500, 9_500, 10_500, 6_000, 1_200];

pub(super) fn fill(timetable: &mut Timetable, person: &Person, draw: &mut Draw) {
    birth(timetable, person, draw);
    for year in 0..YEARS {
        let (start, middle) = (year_start(year), year_start(year) + 183);
        if person.birth < start + 365 && person.last_day() >= start {
            by_rate(timetable, person, year, middle, draw);
            chemotherapy(timetable, person, start, middle, draw);
        }
    }
    children(timetable, person, draw);
    dialysis(timetable, person);
    infusions(timetable, person, draw);
    last_illness(timetable, person, draw);
}

fn by_rate(timetable: &mut Timetable, person: &Person, year: usize, middle: Day, draw: &mut Draw) {
    let band = band(age(person.birth, middle));
    for (at, pathway) in PATHWAYS.iter().enumerate().skip(FIRST_BY_RATE) {
        if pathway.rates[band] == 0
            || pathway.needs.is_some_and(|c| !person.conditions.has(c, middle))
        {
            continue;
        }
        let chance = chance(person, pathway, band, year, middle);
        if u64::from(draw.below(1_000_000_000)) >= chance {
            continue;
        }
        let when = if at == COVID && year == year_of(PANDEMIC) {
            draw.between(PANDEMIC, PANDEMIC + 30)
        } else {
            day_of_year(at, pathway, year, draw)
        };
        if when >= person.first_day() && when <= person.last_day() {
            timetable.add(when, at, Cause::Usual);
        }
    }
}

/// The chance that it happens to this person in this year, in billionths.
fn chance(person: &Person, pathway: &Pathway, band: usize, year: usize, at: Day) -> u64 {
    let readiness = match pathway.kind {
        Kind::Emergency => person.readiness,
        _ => (100 + person.readiness) / 2,
    };
    let scale = if pathway.is_emergency() { EMERGENCY_SCALE } else { PLANNED_SCALE };
    let sex = if person.male { 200 - pathway.women } else { pathway.women };
    let deprivation = gradient(pathway.poorest, person.decile) * 200 / (100 + pathway.poorest);
    let mut chance = u64::from(pathway.rates[band]) * 10_000;
    for percent in [readiness, sex, deprivation, pathway.years[year]] {
        chance = chance * u64::from(percent) / 100;
    }
    for (condition, percent) in pathway.boosts {
        if person.conditions.has(*condition, at) {
            chance = chance * u64::from(*percent) / 100;
        }
    }
    (chance * scale / 100).min(900_000_000)
}

/// Weights of the months from April to March.
fn months(at: usize, season: Season, year: usize) -> [u32; 12] {
    let lockdown = year == year_of(day(2020, 4, 1));
    match season {
        _ if at == COVID && lockdown => [25, 8, 2, 1, 1, 3, 9, 12, 16, 30, 12, 5],
        Season::Working if lockdown => [25, 35, 55, 70, 75, 85, 90, 85, 78, 60, 65, 85],
        Season::Working => [96, 98, 102, 103, 92, 101, 105, 104, 84, 102, 97, 106],
        Season::Winter => [85, 78, 72, 66, 60, 72, 92, 112, 150, 146, 116, 100],
        Season::Even if lockdown => [68, 82, 98, 104, 103, 102, 104, 100, 98, 92, 90, 102],
        Season::Even => [98, 101, 100, 101, 98, 99, 102, 100, 101, 101, 94, 102],
    }
}

fn day_of_year(at: usize, pathway: &Pathway, year: usize, draw: &mut Draw) -> Day {
    let (first, last) = month_of(year, draw.position(&months(at, pathway.season, year)));
    let when = draw.between(first, last);
    // Planned work is seldom done at weekends: 1 January 1970 was a Thursday.
    let weekday = (when + 3).rem_euclid(7);
    if pathway.season == Season::Working && weekday >= 5 && draw.percent(85) {
        (when - weekday + 4).max(first)
    } else {
        when
    }
}

fn birth(timetable: &mut Timetable, person: &Person, draw: &mut Draw) {
    let early = draw.percent(7);
    let at_home = draw.percent(2);
    if person.birth >= START && !at_home {
        timetable.add(person.birth, if early { EARLY_BIRTH } else { BIRTH }, Cause::Usual);
    }
}

fn children(timetable: &mut Timetable, person: &Person, draw: &mut Draw) {
    if person.male {
        return;
    }
    let mut earliest = Day::MIN;
    for year in 0..YEARS {
        let when = year_start(year) + draw.between(0, 364);
        let chance = draw.below(100_000);
        let years = age(person.birth, when);
        if !(15..45).contains(&years) || when < earliest || when > person.last_day() {
            continue;
        }
        if chance >= DELIVERIES[(years as usize - 15) / 5] {
            continue;
        }
        earliest = when + 420;
        let caesarean = draw.percent(18 + (years as u32 - 15) / 2);
        timetable.add(when, if caesarean { CAESAREAN } else { DELIVERY }, Cause::Usual);
        let before = when - draw.between(5, 200);
        if draw.percent(45) && before >= START {
            timetable.add(before, ANTENATAL, Cause::Usual);
        }
    }
}

/// Most courses are a few sessions; some go on for years.
fn chemotherapy(
    timetable: &mut Timetable,
    person: &Person,
    start: Day,
    middle: Day,
    draw: &mut Draw,
) {
    if !person.conditions.has(Condition::Cancer, middle) || !draw.percent(5) {
        return;
    }
    let sessions = draw.skewed(&[2, 4, 6, 6, 8, 14, 26, 55]);
    let interval = if draw.percent(30) { 14 } else { 21 };
    let first = start + draw.between(0, 364);
    for session in 0..sessions {
        timetable.add(first + session * interval, CHEMOTHERAPY, Cause::Course);
    }
}

fn dialysis(timetable: &mut Timetable, person: &Person) {
    let Some((from, to)) = person.dialysis else {
        return;
    };
    // Monday, Wednesday, Friday.
    let monday = from - (from + 3).rem_euclid(7);
    for day in from..=to {
        if matches!((day - monday).rem_euclid(7), 0 | 2 | 4) {
            timetable.add(day, DIALYSIS, Cause::Course);
        }
    }
}

fn infusions(timetable: &mut Timetable, person: &Person, draw: &mut Draw) {
    let chosen = draw.million(900);
    let from = START + draw.between(0, 2_800);
    let length = draw.between(300, 2_600);
    if !chosen || !(18..70).contains(&age(person.birth, from)) {
        return;
    }
    let mut day = from;
    while day < from + length && day <= person.last_day() {
        timetable.add(day, INFUSION, Cause::Course);
        day += draw.between(27, 30);
    }
}

/// Somewhat fewer than half of all deaths happen in a hospital bed.
fn last_illness(timetable: &mut Timetable, person: &Person, draw: &mut Draw) {
    let Some(death) = person.death else { return };
    let has = |condition| person.conditions.has(condition, death);
    let year = year_of(death);
    let weights = [
        20,
        14,
        if has(Condition::HeartFailure) { 25 } else { 2 },
        9,
        if has(Condition::Copd) { 15 } else { 0 },
        if year >= 7 || death >= PANDEMIC { [18, 60, 18, 14][(year - 6).min(3)] } else { 0 },
        if has(Condition::Cancer) { 40 } else { 4 },
        6,
        4,
        6,
    ];
    // In the order of the positions PNEUMONIA to URINARY.
    let pathway = PNEUMONIA + draw.position(&weights);
    let stay = draw.skewed(&PATHWAYS[pathway].stay);
    if draw.percent(43) {
        timetable.add((death - stay).max(person.first_day()), pathway, Cause::Terminal);
    }
}
