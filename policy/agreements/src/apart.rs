//! Exact and noisy figures of the same rows must not meet in one person's hands.
//!
//! Who holds an exact figure and a noisy one of the same people knows the noise, and with it something of every
//! other figure that carries the same people's weights. So nobody may be named by two agreements over the same
//! rows of which one has a profile with noise and the other has not.

#[cfg(test)]
mod tests;

use crate::{Agreement, Status, TableGrant};

impl Agreement {
    /// Why this agreement, whose profile has no noise, cannot stand beside another, whose profile has; none where
    /// it can. Row filters are not compared: whether they leave the same rows depends on the data.
    pub fn contradicts(&self, noisy: &Self) -> Option<String> {
        let has_noise = |a: &Self| a.profile.has_meter();
        let counts = |a: &Self| a.status != Status::Draft;
        if has_noise(self) || !has_noise(noisy) || !counts(self) || !counts(noisy) {
            return None;
        }
        let person = self.people.iter().find(|person| noisy.names(person))?;
        let (table, _) = self.grants.iter().find(|(table, grant)| {
            noisy.grants.get(*table).is_some_and(|other| years_meet(grant, other))
        })?;
        Some(format!(
            "`profile` {} gives exact figures of {table} to {}, who gets figures with noise of the same rows under {}; \
             name other people, other tables or other years, or use one kind of profile",
            self.profile.name(),
            person.as_str(),
            noisy.id,
        ))
    }
}

fn years_meet(one: &TableGrant, other: &TableGrant) -> bool {
    let (Some((first, last)), Some((from, to))) = (&one.years, &other.years) else { return true };
    order(first) <= order(to) && order(from) <= order(last)
}

/// Financial years in order: `9899` comes before `0001`. HES begins in 1989.
fn order(year: &str) -> (bool, &str) {
    (year < "8900", year)
}
