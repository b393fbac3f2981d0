//! Evidence that was gathered person by person, in parts and in any order, is that of the whole list looked at at once.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::Secret;

/// The rules' words, one after another, over the whole list.
fn slowly(parts: &[Part], by: &Gathering) -> RawCell {
    let sum = |of: &dyn Fn(&Part, i128) -> i128| -> i128 {
        parts.iter().map(|part| of(part, i128::from(by.key.person(part.person).weight))).sum()
    };
    let sketch = |of: &dyn Fn(&Part) -> Option<i128>| {
        let mut sketch = Sketch::default();
        for part in parts {
            if let Some(contribution) = of(part) {
                sketch.add(&by.key, &by.key.person(part.person), contribution);
            }
        }
        sketch
    };
    let within = |part: &Part, limit: u128| limited(part.contribution, limit);
    let squares = |limit: u128| -> u128 {
        let squares = parts.iter().map(|part| square(within(part, limit).unsigned_abs()));
        squares.sum()
    };
    let mut sizes: Vec<u128> = parts.iter().map(|part| part.contribution.unsigned_abs()).collect();
    sizes.sort_unstable_by(|a, b| b.cmp(a));
    let nth = |n: u64| sizes.get(n as usize - 1).copied().unwrap_or(0);
    let clip = nth(by.threshold);
    let figure = sum(&|part, _| part.contribution);
    let most = clip.max(figure.unsigned_abs() / u128::from(by.threshold));
    let missing = by.decimals.map_or(1, |own| 10_i64.pow(6 - u32::from(own)));
    let counts = |part: &&Part| by.decimals.is_none() || part.contribution != 0;
    let mut reached: BTreeMap<u128, Vec<&Part>> = BTreeMap::new();
    if let Some(decimals) = by.decimals {
        for part in parts.iter().filter(counts) {
            let limit = limit_of(part.contribution.unsigned_abs(), decimals);
            reached.entry(limit).or_default().push(part);
        }
    }
    let mut heavy = Vec::new();
    let limits: Vec<u128> = reached.keys().copied().collect();
    for limit in limits.into_iter().rev() {
        let who: Vec<&Part> = reached.range(limit..).flat_map(|(_, who)| who.clone()).collect();
        let persons = who.len() as u64;
        let is_heavy = |part: &Part| who.contains(&part).then_some(1);
        heavy.insert(
            0,
            Heavy {
                limit,
                persons,
                weight: who.iter().map(|p| i64::from(by.key.person(p.person).weight)).sum(),
                people: sketch(&is_heavy),
                limited: sum(&|part, _| within(part, limit)),
                weighted: sum(&|part, weight| within(part, limit) * weight),
                squares: squares(limit),
            },
        );
        if persons > MANY {
            break;
        }
    }
    RawCell {
        figure,
        persons: parts.len() as u64,
        largest: nth(1),
        second: nth(2),
        clip,
        clipped: sum(&|part, _| within(part, clip)),
        flattened: sum(&|part, _| within(part, most)),
        weight: sum(&|_, weight| weight) as i64,
        weighted: sum(&|part, weight| within(part, clip) * weight),
        squares: squares(clip),
        people: sketch(&|_| Some(1)),
        sketch: sketch(&|p| counts(&p).then_some(p.contribution * i128::from(missing))),
        contributors: parts.iter().filter(counts).count() as u64,
        heavy,
    }
}

fn parts() -> impl Strategy<Value = Vec<Part>> {
    let contribution = prop_oneof![
        4 => 0_i128..6,
        4 => -3_i128..500,
        1 => -1_000_000_i128..1_000_000,
        1 => prop::sample::select(vec![i128::from(i64::MAX), i128::from(i64::MIN), 1 << 70]),
    ];
    prop::collection::vec(contribution, 0..300).prop_map(|all| {
        let people = (0_i64..).map(|n| n * 7 - 300);
        people.zip(all).map(|(person, contribution)| Part { person, contribution }).collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn what_is_gathered_in_parts_and_any_order_is_what_the_whole_list_says(
        parts in parts(), threshold in 2_u64..14,
        decimals in prop_oneof![Just(None), (0_u8..4).prop_map(Some)],
        order in any::<u64>(), cuts in 1_usize..5,
    ) {
        let key = Secret::new(&[7; 32]).unwrap().people();
        let by = Gathering { threshold, decimals, key };
        let mut shuffled = parts.clone();
        shuffled.sort_by_key(|part| (part.person as u64 ^ order).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let mut whole = Gathered::default();
        for some in shuffled.chunks(parts.len().div_ceil(cuts).max(1)) {
            let mut part = Gathered::default();
            for Part { person, contribution } in some {
                part.add(&by, &key.person(*person), *contribution);
            }
            whole.merge(&by, &part);
        }
        prop_assert_eq!(whole.evidence(&by), slowly(&parts, &by));
        prop_assert_eq!(RawCell::of_parts(&parts, &by), slowly(&parts, &by));
    }
}

/// Contributions that no column holds change nothing of the others' order, and nothing overflows.
#[test]
fn absurd_contributions_are_cut_down() {
    let key = Secret::new(&[7; 32]).unwrap().people();
    let by = Gathering { threshold: 10, decimals: Some(0), key };
    let all = |contribution| -> Vec<Part> {
        (0..2_000).map(|person| Part { person, contribution }).collect()
    };
    for absurd in [i128::MAX, i128::MIN, MOST, -MOST] {
        let cell = RawCell::of_parts(&all(absurd), &by);
        assert_eq!(cell.figure, absurd.signum() * MOST * 2_000);
        assert_eq!(cell.clip, MOST.unsigned_abs());
    }
}
