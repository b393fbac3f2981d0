//! Public grids: the bins by which quantiles of a number are read.

/// The first values of the bins between two bounds, in order, by rule alone: nothing in them depends on data.
///
/// Whole numbers: each of the eight on either side of zero (or of the bound that is nearer to it) is a bin
/// of its own; away from it a bin is a quarter as wide as it is far, so that a length of stay of 4 days is told as 4
/// and one of 100 to a few days. Other numbers: 50 to 100 equal bins of a width of 1, 2 or 5 times a power of
/// ten. The last bin is the upper bound alone: what lies beyond counts as the bound.
///
/// ```
/// assert_eq!(cordon_catalogue::grid(0.0, 20.0, true)[7..], [7.0, 8.0, 10.0, 12.0, 15.0, 18.0, 20.0]);
/// assert_eq!(cordon_catalogue::grid(0.0, 120.0, false)[..3], [0.0, 2.0, 4.0]);
/// ```
pub fn grid(min: f64, max: f64, whole: bool) -> Vec<f64> {
    let mut edges = if whole { whole_numbers(min, max) } else { equal(min, max) };
    edges.retain(|edge| *edge > min && *edge < max);
    edges.insert(0, min);
    edges.push(max);
    edges
}

/// Distances from the centre.
fn whole_numbers(min: f64, max: f64) -> Vec<f64> {
    let centre = 0f64.clamp(min, max);
    let farthest = (max - centre).max(centre - min);
    let mut distances = vec![0.0];
    let mut last = 0.0f64;
    while last < farthest {
        last += (last / 4.0).floor().max(1.0);
        distances.push(last);
    }
    let below = distances.iter().skip(1).rev().map(|d| centre - d);
    let edges: Vec<f64> = below.chain(distances.iter().map(|d| centre + d)).collect();
    edges
}

fn equal(min: f64, max: f64) -> Vec<f64> {
    let least = (max - min) / 100.0;
    let power = 10f64.powf(least.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0].into_iter().map(|m| m * power).find(|s| *s >= least);
    let step = step.unwrap_or(max - min);
    let first = (min / step).floor();
    let number = ((max - min) / step).ceil() + 1.0;
    let mut edges = Vec::new();
    let mut n = 0.0;
    while n <= number {
        edges.push((first + n) * step);
        n += 1.0;
    }
    edges
}
