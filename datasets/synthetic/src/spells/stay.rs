//! One stay: how the person came, how long it took, who treated, what was coded.

use super::{Cause, Episode, Spell};
use crate::calendar::{Day, PANDEMIC, age, day};
use crate::draw::Draw;
use crate::pathways::*;
use crate::person::Person;
use crate::world::WORLD;

/// Consultant episodes of one stay.
const MOST_EPISODES: usize = 8;
/// Diagnoses that an episode can hold.
const MOST_DIAGNOSES: usize = 20;

#[rustfmt::skip]
static EMERGENCY_METHODS: [(&str, u32); 8] = [
    ("21", 720), ("22", 110), ("23", 20), ("24", 45), ("2A", 35), ("2B", 20), ("2D", 45), ("28", 5),
];
static CRISIS_METHODS: [(&str, u32); 4] = [("25", 40), ("21", 30), ("22", 15), ("2D", 15)];
static PLANNED_METHODS: [(&str, u32); 3] = [("11", 52), ("12", 32), ("13", 16)];

/// What is noted beside the reason for a stay, by young and old.
#[rustfmt::skip]
static FINDINGS: [(&str, u32); 10] = [
    ("M545", 3), ("E669", 4), ("R104", 4), ("F329", 4), ("R074", 2), ("J459", 3), ("B349", 2), ("R55X", 1),
    ("K529", 1), ("L031", 1),
];
#[rustfmt::skip]
static OLD_FINDINGS: [(&str, u32); 14] = [
    ("I10X", 8), ("K573", 3), ("M171", 3), ("M169", 2), ("H269", 3), ("N390", 3), ("R55X", 2), ("E669", 3),
    ("M545", 2), ("N179", 2), ("F329", 2), ("I489", 2), ("L031", 1), ("R074", 1),
];

pub(super) fn draw(
    person: &Person,
    admission: Day,
    pathway: usize,
    cause: Cause,
    before: Option<&Spell>,
    draw: &mut Draw,
) -> Spell {
    let reason = &PATHWAYS[pathway];
    let years = age(person.birth, admission);
    let discharge = match (cause, person.death) {
        (Cause::Terminal, Some(death)) => death,
        _ => admission + nights(reason, years, draw),
    };
    let (trust, site) = place(person, reason, cause, before, draw);
    let diagnoses = diagnoses(person, reason, admission, discharge, draw);
    let group = reason.groups[usize::from(diagnoses.len() >= 5)];
    Spell {
        pathway,
        admission,
        discharge,
        method: method(reason, cause, draw),
        source: source(reason, cause, years, admission, draw),
        destination: destination(reason, years, discharge, draw),
        ending: ending(discharge, draw),
        class: class(reason, draw),
        payer: if draw.below(1000) < 7 { "02" } else { "01" },
        decided: decided(person, reason, admission, draw),
        trust,
        site,
        episodes: episodes(reason, years, admission, discharge, draw),
        diagnoses,
        procedures: draw.weighted(reason.procedures),
        group,
        died: false,
    }
}

fn nights(reason: &Pathway, years: i32, draw: &mut Draw) -> Day {
    if matches!(reason.kind, Kind::DayCase | Kind::RegularDay) {
        return 0;
    }
    let nights = draw.skewed(&reason.stay);
    let percent = match (reason.kind, years) {
        (Kind::Emergency, ..=15) => 60,
        (Kind::Emergency, 16..=44) => 75,
        (Kind::Emergency, 45..=64) => 90,
        (Kind::Emergency, 75..=84) => 120,
        (Kind::Emergency, 85..) => 140,
        _ => 100,
    };
    nights * percent / 100
}

fn method(reason: &Pathway, cause: Cause, draw: &mut Draw) -> &'static str {
    match reason.kind {
        _ if cause == Cause::Transfer => draw.weighted(&[("81", 3), ("2B", 2)]),
        Kind::Emergency if reason.specialty.0 == "710" => draw.weighted(&CRISIS_METHODS),
        Kind::Emergency => draw.weighted(&EMERGENCY_METHODS),
        Kind::Inpatient | Kind::DayCase if cause != Cause::Course => {
            draw.weighted(&PLANNED_METHODS)
        }
        Kind::Inpatient | Kind::DayCase | Kind::RegularDay => "13",
        Kind::Antenatal => "31",
        Kind::Delivery => draw.weighted(&[("31", 97), ("32", 3)]),
        Kind::Birth => draw.weighted(&[("82", 99), ("83", 1)]),
    }
}

fn source(reason: &Pathway, cause: Cause, years: i32, at: Day, draw: &mut Draw) -> &'static str {
    match reason.kind {
        _ if cause == Cause::Transfer => "51",
        Kind::Birth => "79",
        _ if years >= 80 && draw.percent(6) => care_home(at),
        _ if draw.below(1000) < 8 => draw.weighted(&[("29", 5), ("99", 2), ("40", 1)]),
        _ => "19",
    }
}

fn destination(reason: &Pathway, years: i32, at: Day, draw: &mut Draw) -> &'static str {
    match reason.kind {
        Kind::DayCase | Kind::RegularDay => "19",
        _ if years >= 80 && draw.percent(10) => care_home(at),
        _ if draw.below(1000) < 12 => draw.weighted(&[("29", 4), ("51", 5), ("99", 2)]),
        _ => "19",
    }
}

/// Care homes had other codes up to 2021-22.
fn care_home(at: Day) -> &'static str {
    if at < day(2022, 4, 1) { "85" } else { "55" }
}

fn ending(at: Day, draw: &mut Draw) -> &'static str {
    match (draw.percent(3), at < day(2022, 4, 1)) {
        (false, _) => "1",
        (true, true) => "2",
        (true, false) => draw.weighted(&[("6", 3), ("7", 1)]),
    }
}

fn class(reason: &Pathway, draw: &mut Draw) -> &'static str {
    match reason.kind {
        Kind::DayCase => "2",
        Kind::RegularDay => "3",
        Kind::Delivery if draw.percent(1) => "5",
        _ => "1",
    }
}

fn decided(person: &Person, reason: &Pathway, admission: Day, draw: &mut Draw) -> Option<Day> {
    let wait = match reason.kind {
        Kind::Inpatient => draw.skewed(&[0, 14, 35, 60, 100, 190, 330, 600]),
        Kind::DayCase if reason.season == Season::Working => {
            draw.skewed(&[0, 8, 20, 38, 65, 130, 240, 480])
        }
        Kind::DayCase | Kind::RegularDay => draw.skewed(&[0, 1, 3, 6, 9, 14, 21, 40]),
        _ => return None,
    };
    let wait = if admission > PANDEMIC + 60 { wait * 3 / 2 } else { wait };
    Some((admission - wait).max(person.birth))
}

/// The trust and its site: mostly the nearest, and the other end of a transfer.
fn place(
    person: &Person,
    reason: &Pathway,
    cause: Cause,
    before: Option<&Spell>,
    draw: &mut Draw,
) -> (u32, u32) {
    let trust = match (cause, before) {
        (Cause::Transfer, Some(before)) => elsewhere(person, before.trust, draw),
        _ if reason.specialty.0 == "710" => mental_health_trust(person),
        (Cause::Course, _) => person.trust,
        _ => usual_trust(person, if reason.is_emergency() { 91 } else { 80 }, draw),
    };
    let sites = WORLD.trusts[trust as usize].sites;
    (trust, if draw.percent(75) { 1 } else { 1 + draw.below(sites) })
}

/// The home trust so many times in a hundred, else another of the care board, or one far away.
pub(crate) fn usual_trust(person: &Person, home: u32, draw: &mut Draw) -> u32 {
    if draw.percent(home) { person.trust } else { elsewhere(person, person.trust, draw) }
}

/// The mental health trust of the care board.
pub(crate) fn mental_health_trust(person: &Person) -> u32 {
    WORLD.boards[WORLD.board_of(person.area)].trusts.end - 1
}

/// An acute trust that is not this one.
pub(crate) fn elsewhere(person: &Person, not: u32, draw: &mut Draw) -> u32 {
    let board = WORLD.board_of(person.area);
    let board = match draw.below(10) {
        0 => draw.below(WORLD.boards.len() as u32) as usize,
        1 | 2 => (board + 1) % WORLD.boards.len(),
        _ => board,
    };
    let trusts = &WORLD.boards[board].trusts;
    let found = trusts.start + draw.below(trusts.end - trusts.start - 1);
    if found != not {
        return found;
    }
    WORLD.boards[(board + 1) % WORLD.boards.len()].trusts.start
}

fn episodes(
    reason: &Pathway,
    years: i32,
    admission: Day,
    discharge: Day,
    draw: &mut Draw,
) -> Vec<Episode> {
    let nights = discharge - admission;
    let mut count = 1;
    while nights >= 2
        && count < MOST_EPISODES
        && (count as Day) < nights
        && draw.percent(reason.further)
    {
        count += 1;
    }
    // Adults with an illness for physicians are first seen by acute medicine, old people later by
    // physicians of old age.
    let physicians = reason.is_emergency() && years >= 16 && reason.specialty.0.starts_with('3');
    let mut start = admission;
    let mut list = Vec::with_capacity(count);
    for at in 0..count {
        let left = (count - at) as Day;
        let end = match at {
            _ if at + 1 == count => discharge,
            0 => start + 1 + draw.between(0, 1).min(nights - 2),
            _ => start + (discharge - start) / left,
        };
        let specialty = match at {
            0 if physicians && count > 1 => ("300", "326"),
            1.. if physicians && years >= 78 && at + 1 == count => ("430", "430"),
            _ => reason.specialty,
        };
        list.push(Episode { start, end, specialty });
        start = end;
    }
    list
}

fn diagnoses(
    person: &Person,
    reason: &Pathway,
    admission: Day,
    discharge: Day,
    draw: &mut Draw,
) -> Vec<&'static str> {
    let mut list = vec![draw.weighted(reason.primary)];
    for (code, percent) in reason.also {
        if draw.percent(*percent) {
            list.push(code);
        }
    }
    match reason.kind {
        Kind::RegularDay | Kind::Birth => return list,
        Kind::DayCase if draw.percent(45) => return list,
        _ => {}
    }
    // What a long stay brings with it.
    let nights = discharge - admission;
    for (code, after, percent) in
        [("N179", 4, 14), ("N390", 7, 12), ("J189", 8, 7), ("L031", 14, 5), ("R55X", 10, 4)]
    {
        if nights >= after && draw.percent(percent) {
            list.push(code);
        }
    }
    person.conditions.codes(draw, admission, person.male, &mut list);
    let old = age(person.birth, admission) >= 65;
    let findings =
        if reason.is_emergency() { draw.below(if old { 6 } else { 3 }) } else { draw.below(2) };
    list.extend((0..findings).map(|_| draw.weighted(if old { &OLD_FINDINGS } else { &FINDINGS })));
    let mut kept: Vec<&'static str> = Vec::with_capacity(list.len());
    for code in list {
        if !kept.iter().any(|k| k[..3] == code[..3]) && kept.len() < MOST_DIAGNOSES {
            kept.push(code);
        }
    }
    kept
}
