//! Rows of `hes.ae`: one for each attendance.

use std::fmt::Write;

use super::apc::first_episodes;
use super::{Care, Common, record_key, row_number, slots};
use crate::attendances::{Attendance, MINUTES_OF_DAY};
use crate::calendar::{coded_age, year_of};
use crate::draw::{Draw, Purpose};
use crate::error::SyntheticError;
use crate::person::Person;
use crate::sheet::{Kind, Sheet, Slot};
use crate::spells::Spell;

slots!(Slots {
    Text: aekey, aearrivalmode, aeattendcat, aeattenddisp, aedepttype, aeincloctype, aepatgroup, aerefsource,
        arrivaltime, concltime, deptime, inittime, trettime, diagscheme, investscheme, treatscheme, epikey;
    Date: arrivaldate;
    Int: aekey_flag, aeattend_exc_planned, arrivalage, initdur, tretdur, concldur, depdur, procscheme, rank_order;
    Float: arrivalage_calc;
});

/// Codes of one kind that a row has, at most.
const MOST_CODES: usize = 5;
const MOST_DIAGNOSES: usize = 2;

/// The patient group of those who were dead when they came.
const DEAD: &str = "70";

/// What is noted beside the reason to come.
#[rustfmt::skip]
static BESIDE: [(&str, u32); 8] =
    [("03", 3), ("38", 4), ("37", 2), ("144", 2), ("35", 2), ("202", 2), ("27", 2), ("021", 3)];

pub(crate) struct Ae {
    common: Common,
    slots: Slots,
    diagnoses: Vec<[Slot; 4]>,
    investigations: Vec<Slot>,
    treatments: Vec<[Slot; 2]>,
    investigated: Vec<&'static str>,
    treated: Vec<&'static str>,
    scratch: String,
}

impl Ae {
    pub(crate) fn new(sheet: &mut Sheet) -> Result<Self, SyntheticError> {
        let diagnoses = [
            sheet.list("diag2", MOST_DIAGNOSES)?,
            sheet.list("diag3", MOST_DIAGNOSES)?,
            sheet.list("diaga", MOST_DIAGNOSES)?,
            sheet.list("diags", MOST_DIAGNOSES)?,
        ];
        let treatments = [sheet.list("treat2", MOST_CODES)?, sheet.list("treat3", MOST_CODES)?];
        Ok(Self {
            common: Common::new(sheet)?,
            slots: Slots::find(sheet)?,
            diagnoses: (0..MOST_DIAGNOSES).map(|i| diagnoses.each_ref().map(|l| l[i])).collect(),
            investigations: sheet.list("invest2", MOST_CODES)?,
            treatments: (0..MOST_CODES).map(|i| treatments.each_ref().map(|l| l[i])).collect(),
            investigated: Vec::with_capacity(MOST_CODES),
            treated: Vec::with_capacity(MOST_CODES),
            scratch: String::with_capacity(32),
        })
    }

    /// All rows of one person.
    pub(crate) fn write(
        &mut self,
        sheet: &mut Sheet,
        seed: u64,
        person: &Person,
        spells: &[Spell],
        list: &[Attendance],
    ) {
        if list.is_empty() {
            return;
        }
        let mut draw = Draw::new(seed, person.index, Purpose::EmergencyRows);
        // Attendances stand in the order of the stays they lead to.
        let mut episodes = first_episodes(person, spells).enumerate();
        for (row, attendance) in list.iter().enumerate() {
            let episode = attendance
                .stay
                .and_then(|stay| episodes.find(|(at, _)| *at == stay))
                .and_then(|(_, episode)| episode);
            self.row(sheet, person, attendance, row_number(person, row as u64), episode, &mut draw);
        }
    }

    fn row(
        &mut self,
        sheet: &mut Sheet,
        person: &Person,
        attendance: &Attendance,
        number: u64,
        episode: Option<(u64, usize)>,
        draw: &mut Draw,
    ) {
        let year = year_of(attendance.day);
        self.draw_care(attendance, draw);
        let care = Care {
            year,
            trust: attendance.trust,
            site: attendance.site,
            // A&E has no columns for specialty and payer.
            specialty: ("180", "180"),
            group: group(attendance, &self.investigated, &self.treated),
            payer: "01",
        };
        self.common.write(sheet, person, &care, draw);
        let s = &self.slots;
        record_key(number, year, &mut self.scratch);
        sheet.text(s.aekey, &self.scratch);
        sheet.int(s.aekey_flag, 1);
        sheet.int(s.rank_order, 1);
        if let Some((number, year)) = episode {
            record_key(number, year, &mut self.scratch);
            sheet.text(s.epikey, &self.scratch);
        }
        let (years, decimal) = coded_age(person.birth, attendance.day);
        sheet.int(s.arrivalage, i64::from(years));
        sheet.float(s.arrivalage_calc, decimal);
        self.kind(sheet, attendance, draw);
        self.times(sheet, attendance, draw);
        self.codes(sheet, attendance, draw);
        sheet.next_row();
    }

    fn kind(&self, sheet: &mut Sheet, attendance: &Attendance, draw: &mut Draw) {
        let s = &self.slots;
        let mode = match (draw.million(9_000), attendance.ambulance) {
            (true, _) => "9",
            (false, true) => "1",
            (false, false) => "2",
        };
        sheet.text(s.aearrivalmode, mode);
        // The link to the stay says that the patient was admitted, so that is always known.
        let forgotten = attendance.disposal != "01" && attendance.disposal != "10";
        let known = !(forgotten && draw.million(6_000));
        sheet.text(s.aeattenddisp, if known { attendance.disposal } else { "99" });
        let category = if draw.million(7_000) { "9" } else { attendance.category };
        sheet.text(s.aeattendcat, category);
        sheet.int(s.aeattend_exc_planned, i64::from(category != "2"));
        sheet.text(s.aedepttype, attendance.department);
        sheet.text(s.aeincloctype, attendance.place);
        sheet.text(s.aepatgroup, attendance.group);
        sheet.text(s.aerefsource, attendance.source);
    }

    fn times(&mut self, sheet: &mut Sheet, attendance: &Attendance, draw: &mut Draw) {
        let s = &self.slots;
        let clock = attendance.clock;
        sheet.date(s.arrivaldate, attendance.day);
        // 4000 is no time, 3000 one that cannot be; without an arrival nothing can be counted.
        let missing = match draw.below(10_000) {
            0..30 => Some("4000"),
            30..33 => Some("3000"),
            _ => None,
        };
        time(sheet, s.arrivaltime, missing.map_or(Ok(clock.arrival), Err), &mut self.scratch);
        let minor = attendance.department != "01";
        let assessed = (!(minor && draw.percent(18))).then_some(clock.assessed);
        let steps = [
            (s.initdur, s.inittime, assessed),
            (s.tretdur, s.trettime, clock.seen),
            (s.concldur, s.concltime, (!draw.million(25_000)).then_some(clock.concluded)),
            (s.depdur, s.deptime, Some(clock.departed)),
        ];
        for (minutes, at, step) in steps {
            if let Some(step) = step.filter(|_| missing.is_none()) {
                sheet.int(minutes, i64::from(step));
            }
            let when = step.map_or(Err("4000"), |step| Ok(clock.arrival + step));
            time(sheet, at, when, &mut self.scratch);
        }
    }

    /// What is done: more for those who stay, little in minor units and nothing for those who leave.
    fn draw_care(&mut self, attendance: &Attendance, draw: &mut Draw) {
        self.investigated.clear();
        self.treated.clear();
        if attendance.clock.seen.is_none() || attendance.group == DEAD {
            return;
        }
        let minor = matches!(attendance.department, "03" | "04");
        for &(code, percent) in attendance.problem.investigations {
            let percent = match attendance.stay {
                Some(_) => percent + (100 - percent) / 3,
                None => percent,
            };
            // Minor units take X-rays and test urine.
            let possible = !minor || matches!(code, "01" | "06" | "21");
            if possible && self.investigated.len() < MOST_CODES && draw.percent(percent) {
                self.investigated.push(code);
            }
        }
        for &(code, percent) in attendance.problem.treatments {
            if self.treated.len() < MOST_CODES && draw.percent(percent) {
                self.treated.push(code);
            }
        }
    }

    fn codes(&mut self, sheet: &mut Sheet, attendance: &Attendance, draw: &mut Draw) {
        let s = &self.slots;
        let seen = attendance.clock.seen.is_some();
        // One attendance in eight has no diagnosis; of those who left, nearly all.
        if draw.percent(if seen { 87 } else { 12 }) {
            sheet.text(s.diagscheme, "01");
            let first = attendance.problem.diagnosis;
            let body = match attendance.body {
                None if attendance.problem.body.is_empty() => None,
                None => Some(draw.weighted(attendance.problem.body)),
                stated => stated,
            };
            self.diagnosis(sheet, 0, first, body, draw);
            if draw.percent(11) {
                let second = draw.weighted(&BESIDE);
                if second[..2] != first[..2] {
                    self.diagnosis(sheet, 1, second, None, draw);
                }
            }
        }
        if draw.percent(if seen { 90 } else { 40 }) {
            sheet.text(s.investscheme, "01");
            let none = ["24"];
            let codes = if self.investigated.is_empty() { &none } else { &self.investigated[..] };
            for (slot, code) in self.investigations.iter().zip(codes) {
                sheet.text(*slot, code);
            }
        }
        if draw.percent(if seen { 92 } else { 40 }) {
            sheet.text(s.treatscheme, "01");
            sheet.int(s.procscheme, 1);
            let none = ["99"];
            let codes = if self.treated.is_empty() { &none } else { &self.treated[..] };
            for ([short, long], code) in self.treatments.iter().zip(codes) {
                sheet.text(*short, &code[..2]);
                sheet.text(*long, code);
            }
        }
    }

    fn diagnosis(
        &self,
        sheet: &mut Sheet,
        at: usize,
        code: &str,
        body: Option<&str>,
        draw: &mut Draw,
    ) {
        let [short, long, part, side] = self.diagnoses[at];
        sheet.text(short, &code[..2]);
        sheet.text(long, code);
        if let Some(body) = body {
            sheet.text(part, body);
            sheet
                .text(side, if has_sides(body) { ["L", "R"][draw.below(2) as usize] } else { "8" });
        }
    }
}

/// A time as `hhmm`, or the code that stands for none.
fn time(sheet: &mut Sheet, slot: Slot, minute: Result<i32, &'static str>, scratch: &mut String) {
    match minute {
        Ok(minute) => {
            let minute = minute % MINUTES_OF_DAY;
            scratch.clear();
            // Writing to a String cannot fail.
            let _ = write!(scratch, "{:02}{:02}", minute / 60, minute % 60);
            sheet.text(slot, scratch);
        }
        Err(code) => sheet.text(slot, code),
    }
}

/// Arms, legs, eyes and ears.
fn has_sides(body: &str) -> bool {
    matches!(body, "04" | "05" | "10" | "28")
        || ("12".."18").contains(&body)
        || ("30".."36").contains(&body)
}

/// The resource group: what was looked for, and what was done.
fn group(attendance: &Attendance, investigated: &[&str], treated: &[&str]) -> &'static str {
    if attendance.group == DEAD {
        return "VB99Z";
    }
    let of_investigation = |code: &&str| match *code {
        "10" | "11" | "12" | "13" => 3,
        "01" | "02" | "06" | "21" | "22" | "23" => 1,
        "24" => 0,
        _ => 2,
    };
    let of_treatment = |code: &&str| match code.get(..2).unwrap_or_default() {
        "15" | "18" | "19" => 5,
        "16" | "28" | "44" => 4,
        "05" | "10" | "20" | "43" => 3,
        "03" | "11" | "12" | "17" | "25" | "29" | "40" => 2,
        "22" | "30" | "99" => 0,
        _ => 1,
    };
    let investigation = investigated.iter().map(of_investigation).max().unwrap_or(0);
    let treatment = treated.iter().map(of_treatment).max().unwrap_or(0);
    match (investigation, treatment) {
        _ if treated.contains(&"56") => "VB10Z",
        (_, 5..) => "VB01Z",
        (3, 4) => "VB02Z",
        (3, 1..) => "VB03Z",
        (2, 4) => "VB04Z",
        (2, 3) => "VB05Z",
        (0 | 1, 3 | 4) => "VB06Z",
        (2, 2) => "VB07Z",
        (2 | 3, _) => "VB08Z",
        (0, 0) => "VB11Z",
        _ => "VB09Z",
    }
}
