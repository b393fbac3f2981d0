//! One cell of a table while rows come in.

use std::hash::{BuildHasher as _, Hasher as _, RandomState};

use cordon_disclosure::{Gathered, Gathering, HashedPerson, Part, RawCell};

/// So many people of a cell are kept as they are, which takes less memory than sums; more only as sums.
const FEW: usize = 4;

/// So many people wait for each group: those of one group go to it together, since not all of many groups are at hand in a
/// processor's cache.
const WAITING_EACH: usize = 4;

/// With how many groups people begin to wait. A little is won or lost there, and at a fixed number the time taken would tell
/// whether there is one group more; so it is drawn anew for each table.
fn many_groups() -> usize {
    let drawn = RandomState::new().build_hasher().finish();
    (2 << 10) + (drawn % (4 << 10)) as usize
}

/// A list that is not in order is merged when it has so many entries, and whenever it has doubled since.
const UNMERGED: u32 = 1024;

/// Evidence of one figure of one group.
#[derive(Clone)]
pub(super) struct Cell {
    /// People as sums.
    gathered: Gathered,
    /// Where rows come in order: people with another contribution than most, while they are few. Else all people.
    parts: Vec<Part>,
    merge_at: u32,
    /// There were enough people to keep them as sums from now on.
    summed: bool,
}

impl Default for Cell {
    fn default() -> Self {
        let (gathered, parts) = (Gathered::default(), Vec::new());
        Self { gathered, parts, merge_at: UNMERGED, summed: false }
    }
}

/// What the person whose rows are coming in, in order, contributes to each group.
pub(super) struct Open {
    who: Option<Who>,
    contributions: Vec<(u32, i128)>,
    /// Where among them a group stands, if it does.
    places: Vec<u32>,
    waiting: Vec<Waiting>,
    /// The same by group; kept, so that it need not be made anew.
    sorted: Vec<Waiting>,
    many_groups: usize,
}

impl Default for Open {
    fn default() -> Self {
        Self {
            who: None,
            contributions: Vec::new(),
            places: Vec::new(),
            waiting: Vec::new(),
            sorted: Vec::new(),
            many_groups: many_groups(),
        }
    }
}

/// A person whose rows are complete, with a group and a contribution to it. As small as can be: many wait.
#[derive(Clone, Copy, Default)]
struct Waiting {
    person: i64,
    contribution: i64,
    group: u32,
}

/// A person, hashed once.
#[derive(Clone, Copy)]
pub(super) struct Who {
    pub(super) person: i64,
    pub(super) hashed: HashedPerson,
}

impl Open {
    /// Rows of this person follow. Another one's are complete.
    #[inline]
    pub(super) fn begin(&mut self, who: &Who, by: &Gathering, cells: &mut [Cell]) -> usize {
        if self.who.is_some_and(|open| open.person == who.person) {
            return 0;
        }
        let grown = self.close(by, cells);
        self.who = Some(*who);
        grown
    }

    #[inline]
    pub(super) fn add(&mut self, group: u32, contribution: i128) {
        if self.places.len() <= group as usize {
            self.places.resize((group as usize + 1).next_power_of_two(), 0);
        }
        let Some(place) = self.places.get_mut(group as usize) else { return };
        match self.contributions.get_mut(*place as usize) {
            // A total that leaves 2^127 is refused at release anyway.
            Some((of, sum)) if *of == group => *sum = sum.saturating_add(contribution),
            _ => {
                *place = u32::try_from(self.contributions.len()).unwrap_or(u32::MAX);
                self.contributions.push((group, contribution));
            }
        }
    }

    /// The person has no more rows. Gives the bytes that cells grew by.
    pub(super) fn close(&mut self, by: &Gathering, cells: &mut [Cell]) -> usize {
        let Some(who) = self.who.take() else { return 0 };
        let mut grown = 0;
        let mut contributions = std::mem::take(&mut self.contributions);
        for (group, contribution) in contributions.drain(..) {
            grown += self.put(by, cells, (group, who, contribution));
        }
        self.contributions = contributions;
        grown
    }

    /// A person with everything it contributes to a group; gives the bytes that cells grew by.
    #[inline]
    pub(super) fn put(
        &mut self,
        by: &Gathering,
        cells: &mut [Cell],
        (group, who, contribution): (u32, Who, i128),
    ) -> usize {
        if cells.len() < self.many_groups {
            return cells
                .get_mut(group as usize)
                .map_or(0, |cell| cell.whole(by, &who, contribution));
        }
        // The very largest need not wait.
        let Ok(contribution) = i64::try_from(contribution) else {
            let cell = cells.get_mut(group as usize);
            return cell.map_or(0, |cell| cell.whole(by, &who, contribution));
        };
        self.waiting.push(Waiting { person: who.person, contribution, group });
        let enough = cells.len() * WAITING_EACH;
        if self.waiting.len() < enough { 0 } else { self.settle(by, cells) }
    }

    /// Those who wait go to their groups, one group after another.
    pub(super) fn settle(&mut self, by: &Gathering, cells: &mut [Cell]) -> usize {
        let mut next = vec![0_u32; cells.len() + 1];
        for waiting in &self.waiting {
            if let Some(many) = next.get_mut(waiting.group as usize + 1) {
                *many += 1;
            }
        }
        let mut before = 0;
        for place in &mut next {
            before += *place;
            *place = before;
        }
        // Each to its place, so that they are read one after another.
        self.sorted.clear();
        self.sorted.resize(self.waiting.len(), Waiting::default());
        for waiting in &self.waiting {
            let Some(place) = next.get_mut(waiting.group as usize) else { continue };
            if let Some(entry) = self.sorted.get_mut(*place as usize) {
                *entry = *waiting;
            }
            *place += 1;
        }
        self.waiting.clear();
        let mut grown = 0;
        for Waiting { person, contribution, group } in &self.sorted {
            if let Some(cell) = cells.get_mut(*group as usize) {
                let who = Who { person: *person, hashed: by.key.person(*person) };
                grown += cell.whole(by, &who, i128::from(*contribution));
            }
        }
        grown
    }

    pub(super) fn size(&self) -> usize {
        self.places.capacity() * size_of::<u32>()
            + self.contributions.capacity() * size_of::<(u32, i128)>()
            + (self.waiting.capacity() + self.sorted.capacity()) * size_of::<Waiting>()
    }
}

impl Cell {
    /// A person with everything it contributes; gives the bytes that the cell grew by.
    #[inline]
    fn whole(&mut self, by: &Gathering, who: &Who, contribution: i128) -> usize {
        if self.summed || by.is_usual(contribution) {
            return self.gathered.add(by, &who.hashed, contribution);
        }
        if self.parts.len() >= FEW {
            return self.sum(by) + self.gathered.add(by, &who.hashed, contribution);
        }
        let before = self.parts.capacity();
        self.parts.push(Part { person: who.person, contribution });
        (self.parts.capacity() - before) * size_of::<Part>()
    }

    /// A person with something it contributes, where rows come in no order.
    #[inline]
    pub(super) fn part(&mut self, person: i64, contribution: i128) -> usize {
        if let Some(last) = self.parts.last_mut().filter(|last| last.person == person) {
            last.contribution = last.contribution.saturating_add(contribution);
            return 0;
        }
        let before = self.parts.capacity();
        self.parts.push(Part { person, contribution });
        if self.parts.len() >= self.merge_at as usize {
            self.sort_and_merge();
            self.merge_at = UNMERGED.max(u32::try_from(self.parts.len() * 2).unwrap_or(u32::MAX));
        }
        (self.parts.capacity() - before) * size_of::<Part>()
    }

    /// From a list to sums, from now on; gives the bytes that the cell grew by.
    fn sum(&mut self, by: &Gathering) -> usize {
        self.summed = true;
        let parts = std::mem::take(&mut self.parts).into_iter();
        parts
            .map(|part| self.gathered.add(by, &by.key.person(part.person), part.contribution))
            .sum()
    }

    fn sort_and_merge(&mut self) {
        self.parts.sort_unstable_by_key(|part| part.person);
        self.parts.dedup_by(|later, kept| {
            let same = later.person == kept.person;
            if same {
                kept.contribution = kept.contribution.saturating_add(later.contribution);
            }
            same
        });
    }

    /// With the same cell of another partition. Where rows come in order, nobody is in both.
    pub(super) fn merge(&mut self, by: &Gathering, ordered: bool, mut other: Self) {
        if !ordered {
            return self.parts.append(&mut other.parts);
        }
        self.gathered.merge(by, &other.gathered);
        self.parts.append(&mut other.parts);
        if self.summed || other.summed || self.parts.len() > FEW {
            self.sum(by);
        }
    }

    /// Who contributes what, each person once. Of cells whose rows come in no order.
    pub(super) fn people(mut self) -> Vec<Part> {
        self.sort_and_merge();
        self.parts
    }

    pub(super) fn evidence(mut self, by: &Gathering, ordered: bool) -> RawCell {
        if !ordered {
            self.sort_and_merge();
        }
        self.sum(by);
        self.gathered.evidence(by)
    }
}
