//! One referral and what follows from it, appointment by appointment.

use super::clinics::Clinic;
use super::{Appointment, is_psychiatric, remote_share};
use crate::calendar::{Day, END, PANDEMIC, age};
use crate::draw::Draw;
use crate::person::Person;
use crate::spells::{Spell, mental_health_trust, usual_trust};
use crate::world::WORLD;

/// Follow-ups of one referral, at most.
const MOST_FOLLOW_UPS: u32 = 14;

#[rustfmt::skip]
static GENERAL_SOURCES: [(&str, u32); 12] = [
    ("03", 580), ("05", 140), ("04", 55), ("10", 45), ("11", 60), ("14", 35), ("97", 30), ("13", 20),
    ("15", 12), ("06", 12), ("12", 5), ("99", 6),
];

/// Everything that appointments of one series share.
#[derive(Clone, Copy)]
struct Series {
    specialty: (&'static str, &'static str),
    trust: u32,
    site: u32,
    priority: &'static str,
    source: &'static str,
    requested: Option<Day>,
    diagnosis: &'static str,
    procedure: Option<(&'static str, u32)>,
    remote: u32,
    interval: (i32, i32),
    /// Whether the clinic sees the patient for life, so that no visit is the last.
    ongoing: bool,
}

/// A referral: a wait, a first visit, follow-ups.
pub(super) fn referred(
    list: &mut Vec<Appointment>,
    person: &Person,
    clinic: &'static Clinic,
    referral: Day,
    draw: &mut Draw,
) {
    let urgent = draw.percent(clinic.two_weeks);
    let wait = match (urgent, draw.percent(12)) {
        (true, _) => draw.between(2, 15),
        (false, true) => draw.skewed(&[1, 5, 10, 16, 24, 40, 60, 120]),
        (false, false) => draw.skewed(&[1, 18, 34, 52, 75, 120, 190, 400]),
    };
    let wait = if referral > PANDEMIC && !urgent { wait * 3 / 2 } else { wait };
    let priority = if urgent { "3" } else { draw.weighted(&[("1", 85), ("2", 12), ("9", 3)]) };
    let source = if urgent { "03" } else { draw.weighted(&GENERAL_SOURCES) };
    let mut series = Series::of(person, clinic, draw);
    series.priority = priority;
    series.source = source;
    series.requested = Some(referral);
    let mut follow_ups = 0;
    while follow_ups < MOST_FOLLOW_UPS && draw.percent(clinic.further) {
        follow_ups += 1;
    }
    series.run(list, person, referral + wait, true, follow_ups, draw);
}

/// A single visit of somebody the clinic knows.
pub(super) fn visit(
    list: &mut Vec<Appointment>,
    person: &Person,
    clinic: &'static Clinic,
    day: Day,
    draw: &mut Draw,
) {
    let mut series = Series::of(person, clinic, draw);
    series.source = draw.weighted(&[("11", 4), ("05", 3), ("03", 3)]);
    series.ongoing = true;
    series.run(list, person, day, false, 0, draw);
}

/// The visit at which a planned stay was decided.
pub(super) fn decision(
    list: &mut Vec<Appointment>,
    person: &Person,
    specialty: (&'static str, &'static str),
    trust: u32,
    day: Day,
    draw: &mut Draw,
) {
    let requested = day - draw.skewed(&[3, 14, 30, 48, 70, 110, 170, 300]);
    list.push(Appointment {
        day,
        requested: Some(requested.max(person.birth)),
        missed: None,
        specialty,
        first: true,
        remote: false,
        attended: "5",
        outcome: "3",
        priority: draw.weighted(&[("1", 8), ("2", 2)]),
        source: draw.weighted(&GENERAL_SOURCES),
        trust,
        site: 1,
        diagnosis: "R69X",
        procedure: None,
    });
}

/// Visits after a stay.
pub(super) fn after_stay(
    list: &mut Vec<Appointment>,
    person: &Person,
    spell: &Spell,
    draw: &mut Draw,
) {
    let emergency = spell.reason().is_emergency();
    let series = Series {
        specialty: spell.reason().specialty,
        trust: spell.trust,
        site: spell.site,
        priority: "1",
        source: if emergency { "01" } else { "11" },
        requested: emergency.then_some(spell.discharge),
        diagnosis: spell.diagnoses.first().copied().unwrap_or("R69X"),
        procedure: None,
        remote: 100,
        interval: (30, 120),
        ongoing: false,
    };
    let mut follow_ups = 0;
    while follow_ups < 4 && draw.percent(38) {
        follow_ups += 1;
    }
    series.run(list, person, spell.discharge + draw.between(14, 70), emergency, follow_ups, draw);
}

impl Series {
    fn of(person: &Person, clinic: &Clinic, draw: &mut Draw) -> Self {
        let trust = if is_psychiatric(clinic.specialty.0) {
            mental_health_trust(person)
        } else {
            usual_trust(person, 86, draw)
        };
        let sites = WORLD.trusts[trust as usize].sites;
        Self {
            specialty: clinic.specialty,
            trust,
            site: if draw.percent(70) { 1 } else { 1 + draw.below(sites) },
            priority: "1",
            source: "03",
            requested: None,
            diagnosis: clinic.diagnosis,
            procedure: clinic.procedure,
            remote: clinic.remote,
            interval: clinic.interval,
            ongoing: false,
        }
    }

    /// Appointments until nothing is left to follow up. One that does not take place is given again, or the
    /// patient is sent back to the doctor who referred.
    fn run(
        self,
        list: &mut Vec<Appointment>,
        person: &Person,
        from: Day,
        mut first: bool,
        mut follow_ups: u32,
        draw: &mut Draw,
    ) {
        let (mut day, mut missed) = (from, None);
        let mut lost = 0;
        while day <= END && day <= person.last_day() {
            let attended = attendance(person, day, draw);
            let seen = matches!(attended, "5" | "6");
            let given_up = !seen && (lost >= 2 || (attended == "3" && draw.percent(32)));
            let last = given_up || (seen && follow_ups == 0);
            let procedure = self.procedure.filter(|&(_, percent)| seen && draw.percent(percent));
            let coded = seen && (procedure.is_some() || draw.percent(4));
            list.push(Appointment {
                day,
                requested: self.requested.filter(|_| first),
                missed,
                specialty: self.specialty,
                first,
                remote: draw.percent(remote_share(day) * self.remote / 100),
                attended,
                outcome: outcome(last && !self.ongoing, day, draw),
                priority: self.priority,
                source: self.source,
                trust: self.trust,
                site: self.site,
                diagnosis: if coded { self.diagnosis } else { "R69X" },
                procedure: procedure.map(|(code, _)| code),
            });
            if last {
                break;
            }
            if seen {
                follow_ups -= 1;
                first = false;
                lost = 0;
                day += draw.between(self.interval.0, self.interval.1);
            } else {
                lost += 1;
                if matches!(attended, "3" | "7") {
                    missed = Some(day);
                }
                day += draw.between(10, 56);
            }
        }
    }
}

/// What becomes of an appointment: `ATTENDED`.
fn attendance(person: &Person, day: Day, draw: &mut Draw) -> &'static str {
    let years = age(person.birth, day);
    let young = match years {
        18..=34 => 45,
        35..=49 => 18,
        75.. => 8,
        _ => 0,
    };
    let missed = 26 + young + (10 - person.decile) * 6;
    let first_wave = (PANDEMIC + 10..PANDEMIC + 110).contains(&day);
    let cancelled = if first_wave { 330 } else { 72 };
    let weights = [790, 24, missed, 66, cancelled, 3];
    ["5", "6", "3", "2", "4", "7"][draw.position(&weights)]
}

fn outcome(last: bool, day: Day, draw: &mut Draw) -> &'static str {
    if draw.percent(2) {
        return "9";
    }
    let patient_initiated = day > PANDEMIC + 400;
    match (last, patient_initiated) {
        (true, false) => "1",
        (true, true) => draw.weighted(&[("1", 94), ("5", 6)]),
        (false, false) => draw.weighted(&[("2", 58), ("3", 42)]),
        (false, true) => draw.weighted(&[("2", 54), ("3", 42), ("4", 4)]),
    }
}
