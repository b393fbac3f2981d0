//! Sets of people as the model sees them: who is in them, and how far two are apart.

use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Who contributes how much, and where each falls.
pub(super) struct Set {
    pub(super) members: BTreeMap<i64, Member>,
    /// Of each bucket.
    sums: [u16; 64],
}

#[derive(Clone, Copy)]
pub(super) struct Member {
    pub(super) contribution: i128,
    pub(super) weight: i128,
    pub(super) bucket: u8,
    pub(super) mark: u16,
}

impl Set {
    pub(super) fn new(members: BTreeMap<i64, Member>) -> Self {
        let mut sums = [0_u16; 64];
        for member in members.values() {
            let sum = &mut sums[usize::from(member.bucket)];
            *sum = sum.wrapping_add(member.mark);
        }
        Self { members, sums }
    }

    pub(super) fn len(&self) -> usize {
        self.members.len()
    }

    fn few(&self) -> bool {
        self.len() <= 24
    }

    /// Who is in this set and not in the other, or not with this contribution.
    fn lacking<'a>(&'a self, other: &'a Self) -> impl Iterator<Item = Member> + 'a {
        let same = |person: &i64, own: &Member| {
            other.members.get(person).is_some_and(|its| its.contribution == own.contribution)
        };
        self.members.iter().filter(move |(person, own)| !same(person, own)).map(|(_, own)| *own)
    }

    /// Whether somebody is in both with the same contribution.
    pub(super) fn shares_with(&self, other: &Self) -> bool {
        self.lacking(other).count() < self.len()
    }

    /// In how many persons they differ: one more here and one more there count as two.
    pub(super) fn persons_apart(&self, other: &Self) -> usize {
        let both = self.lacking(other).count() + other.lacking(self).count();
        let changed = self.members.keys().filter(|person| other.members.contains_key(person));
        let same = self.len() - self.lacking(other).count();
        both - (changed.count() - same)
    }

    /// In how many buckets they differ. Among few people, where a bucket holds several, by the larger number
    /// of those that one set has more.
    pub(super) fn apart(&self, other: &Self) -> usize {
        let few = self.few() && other.few();
        if few && !self.marks().any(|mark| other.marks().any(|its| its == mark)) {
            // Strangers.
            return 64;
        }
        let mut marks: HashMap<u8, Vec<(u16, bool)>> = HashMap::new();
        for member in self.lacking(other) {
            marks.entry(member.bucket).or_default().push((member.mark, true));
        }
        for member in other.lacking(self) {
            marks.entry(member.bucket).or_default().push((member.mark, false));
        }
        let number = |marks: &Vec<(u16, bool)>| {
            if few {
                let mut net: HashMap<u16, i32> = HashMap::new();
                for (mark, own) in marks {
                    *net.entry(*mark).or_default() += if *own { 1 } else { -1 };
                }
                let more: i32 = net.values().filter(|net| **net > 0).sum();
                let less: i32 = net.values().filter(|net| **net < 0).sum();
                more.max(-less) as usize
            } else {
                let (own, its): (Vec<_>, Vec<_>) = marks.iter().partition(|(_, own)| *own);
                let sum = |marks: Vec<&(u16, bool)>| {
                    marks.iter().map(|(mark, _)| u64::from(*mark)).sum::<u64>() % 65_536
                };
                usize::from(sum(own) != sum(its))
            }
        };
        marks.values().map(number).sum()
    }

    fn marks(&self) -> impl Iterator<Item = (u8, u16)> {
        self.members.values().map(|member| (member.bucket, member.mark))
    }

    /// By what a set can be found: the first k buckets that hold anything, and of few people the first k
    /// marks.
    pub(super) fn found_by(&self, k: usize) -> BTreeSet<(bool, u8, u16)> {
        let sums = (0..).zip(self.sums).filter(|(_, sum)| *sum != 0).take(k);
        let mut by: BTreeSet<_> = sums.map(|(bucket, sum)| (false, bucket, sum)).collect();
        if self.few() {
            let mut marks: Vec<_> =
                self.marks().map(|(bucket, mark)| (true, bucket, mark)).collect();
            marks.sort_unstable();
            by.extend(marks.into_iter().take(k));
        }
        by
    }

    pub(super) fn bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(128);
        for sum in self.sums {
            bytes.extend(sum.to_le_bytes());
        }
        bytes
    }
}
