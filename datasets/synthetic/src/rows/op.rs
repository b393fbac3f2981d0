//! Rows of `hes.op`: one for each appointment, kept or not.

use std::fmt::Write;

use super::{Care, CodeList, Common, record_key, row_number, slots};
use crate::appointments::Appointment;
use crate::calendar::{NO_DATE, coded_age, year_of};
use crate::draw::{Draw, Purpose};
use crate::error::SyntheticError;
use crate::person::Person;
use crate::sheet::{Kind, Sheet, Slot};
use crate::world::WORLD;

slots!(Slots {
    Text: attendkey, atentype, attended, firstatt, locclass, outcome, priority, referorg, refsourc, servtype,
        stafftyp;
    Date: apptdate, dnadate, reqdate;
    Int: attendkey_flag, apptage, attendance, wait_ind, waitdays, waiting;
    Float: apptage_calc;
});

pub(crate) struct Op {
    common: Common,
    slots: Slots,
    diagnoses: CodeList,
    procedures: CodeList,
    scratch: String,
}

impl Op {
    pub(crate) fn new(sheet: &mut Sheet) -> Result<Self, SyntheticError> {
        Ok(Self {
            common: Common::new(sheet)?,
            slots: Slots::find(sheet)?,
            diagnoses: CodeList::new(sheet, "diag", 12)?,
            procedures: CodeList::new(sheet, "opertn", 24)?,
            scratch: String::with_capacity(32),
        })
    }

    /// All rows of one person.
    pub(crate) fn write(
        &mut self,
        sheet: &mut Sheet,
        seed: u64,
        person: &Person,
        list: &[Appointment],
    ) {
        let mut draw = Draw::new(seed, person.index, Purpose::OutpatientRows);
        for (row, appointment) in list.iter().enumerate() {
            self.row(sheet, person, appointment, row_number(person, row as u64), &mut draw);
        }
    }

    fn row(
        &mut self,
        sheet: &mut Sheet,
        person: &Person,
        appointment: &Appointment,
        number: u64,
        draw: &mut Draw,
    ) {
        let year = year_of(appointment.day);
        let care = Care {
            year,
            trust: appointment.trust,
            site: appointment.site,
            specialty: appointment.specialty,
            group: if appointment.first { "WF01B" } else { "WF01A" },
            payer: if draw.million(4_000) { "02" } else { "01" },
        };
        self.common.write(sheet, person, &care, draw);
        let s = &self.slots;
        record_key(number, year, &mut self.scratch);
        sheet.text(s.attendkey, &self.scratch);
        sheet.int(s.attendkey_flag, 1);
        let (years, decimal) = coded_age(person.birth, appointment.day);
        sheet.int(s.apptage, i64::from(years));
        sheet.float(s.apptage_calc, decimal);
        self.kind(sheet, appointment, draw);
        self.referral(sheet, person, appointment, draw);
        self.diagnoses.write(sheet, &[appointment.diagnosis]);
        match appointment.procedure {
            Some(code) => self.procedures.write(sheet, &[code]),
            None => self.procedures.write_none(sheet, "-"),
        }
        sheet.next_row();
    }

    fn kind(&self, sheet: &mut Sheet, appointment: &Appointment, draw: &mut Draw) {
        let s = &self.slots;
        let Appointment { first, remote, attended, .. } = *appointment;
        let attended = if draw.million(150) { "9" } else { attended };
        sheet.date(s.apptdate, appointment.day);
        sheet.text(s.attended, attended);
        sheet.int(s.attendance, i64::from(matches!(attended, "5" | "6")));
        let firstatt = match (first, remote) {
            _ if draw.million(3_000) => "X",
            (true, false) => "1",
            (false, false) => "2",
            (true, true) => "3",
            (false, true) => "4",
        };
        sheet.text(s.firstatt, firstatt);
        sheet.text(s.atentype, atentype(attended, firstatt));
        sheet.text(s.outcome, appointment.outcome);
        let class = draw.weighted(&[("01", 70), ("04", 24), ("99", 6)]);
        sheet.text(s.locclass, if remote { "02" } else { class });
        sheet.text(s.servtype, draw.weighted(&[("1", 72), ("2", 8), ("3", 12), ("9", 8)]));
        sheet.text(s.stafftyp, draw.weighted(&[("03", 55), ("04", 33), ("09", 12)]));
        if let Some(missed) = appointment.missed {
            sheet.date(s.dnadate, missed);
        }
    }

    fn referral(
        &mut self,
        sheet: &mut Sheet,
        person: &Person,
        appointment: &Appointment,
        draw: &mut Draw,
    ) {
        let s = &self.slots;
        sheet.text(s.priority, appointment.priority);
        sheet.text(s.refsourc, appointment.source);
        match appointment.source {
            "03" | "12" => sheet.text(s.referorg, &WORLD.practices[person.practice as usize].code),
            "99" => sheet.text(s.referorg, "X99999"),
            _ => {
                self.scratch.clear();
                let code = &WORLD.trusts[appointment.trust as usize].code;
                // Writing to a String cannot fail.
                let _ = write!(self.scratch, "{code}00");
                sheet.text(s.referorg, &self.scratch);
            }
        }
        match appointment.requested {
            Some(_) if draw.million(20_000) => {
                sheet.date(s.reqdate, NO_DATE);
                sheet.int(s.wait_ind, 5);
            }
            Some(requested) => {
                let waited = i64::from(appointment.day - requested);
                sheet.date(s.reqdate, requested);
                sheet.int(s.wait_ind, 0);
                sheet.int(s.waitdays, waited);
                // A missed appointment starts the clock again.
                let since = appointment.missed.filter(|&m| m > requested).unwrap_or(requested);
                sheet.int(s.waiting, i64::from(appointment.day - since));
            }
            None => sheet.int(s.wait_ind, 1),
        }
    }
}

/// `ATENTYPE` is derived from the other two.
fn atentype(attended: &str, firstatt: &str) -> &'static str {
    let column = match firstatt {
        "1" => 0,
        "2" => 1,
        "3" => 3,
        "4" => 4,
        _ => 2,
    };
    match attended {
        "5" | "6" => ["1", "2", "3", "21", "22"][column],
        "3" | "7" => ["4", "5", "6", "24", "25"][column],
        "2" => ["7", "8", "9", "27", "28"][column],
        "4" => ["10", "11", "12", "30", "31"][column],
        _ => "13",
    }
}
