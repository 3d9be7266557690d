//! Comparing two samples: is one larger than the other, how surely, and by how much.
//!
//! After the judge of Kayenta (Netflix and Google), which compares a canary with its control by the Mann-Whitney U test and the
//! Hodges-Lehmann estimate. Constraint kept: no assumption on how values are distributed; the test is one-sided, and exact
//! where the samples are small.

/// A difference counts where chance alone gives one as large in fewer than one of a hundred looks: one-sided, which is the
/// 98 % interval that Kayenta's judge works with.
pub const LEVEL: f64 = 0.01;

/// Up to so many values in both samples together, the test counts all ways to divide them.
const EXACT_MAX: usize = 40;
/// Values of a sample that the shift is estimated from, at most: evenly spaced ones of the sorted sample beyond that.
const SHIFT_VALUES_MAX: usize = 1_000;

/// A number of values.
fn count(values: usize) -> f64 {
    u32::try_from(values).map_or(f64::INFINITY, f64::from)
}

/// The mean; 0 of nothing.
pub fn mean(values: &[f64]) -> f64 {
    if values.is_empty() { 0.0 } else { values.iter().sum::<f64>() / count(values.len()) }
}

/// The median; 0 of nothing.
pub fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match (sorted.len(), sorted.len() % 2) {
        (0, _) => 0.0,
        (_, 1) => sorted[middle],
        _ => f64::midpoint(sorted[middle - 1], sorted[middle]),
    }
}

/// Whether samples of these sizes can show any difference at all: with 3 values against 3, the largest difference that there
/// is comes about by chance once in 20.
pub fn can_tell(left: usize, right: usize) -> bool {
    let (few, many) = (left.min(right), left.max(right));
    // The ways to choose `few` of all; each factor is more than 1, so that it is soon enough.
    let mut ways = 1.0;
    for chosen in 1..=few {
        ways *= count(many + chosen) / count(chosen);
        if ways * LEVEL >= 1.0 {
            return true;
        }
    }
    false
}

/// The shift of `left` against `right` after Hodges and Lehmann: the median of all differences.
pub fn shift(left: &[f64], right: &[f64]) -> f64 {
    let (left, right) = (thinned(left), thinned(right));
    let differences: Vec<f64> = left.iter().flat_map(|l| right.iter().map(move |r| l - r)).collect();
    median(&differences)
}

/// At most `SHIFT_VALUES_MAX` values that are spread as all are.
fn thinned(values: &[f64]) -> Vec<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let all = sorted.len();
    if all <= SHIFT_VALUES_MAX {
        return sorted;
    }
    (0..SHIFT_VALUES_MAX).map(|at| sorted[(2 * at + 1) * all / (2 * SHIFT_VALUES_MAX)]).collect()
}

/// How probable it is that chance alone makes `left` as much larger than `right` as it is, or more: the one-sided p of the
/// Mann-Whitney U test. 1 where one of them is empty.
pub fn chance_of_larger(left: &[f64], right: &[f64]) -> f64 {
    if left.is_empty() || right.is_empty() {
        return 1.0;
    }
    let ranked = Ranked::of(left, right);
    if ranked.ranks.len() <= EXACT_MAX { ranked.exact() } else { ranked.approximate() }
}

/// Two samples, ranked together. Equal values share the mean of their ranks; all is kept doubled, so that it stays whole.
struct Ranked {
    /// Values in the left sample.
    left: usize,
    /// Twice the rank of each value of both, in order.
    ranks: Vec<usize>,
    /// Sum of those of the left sample.
    left_sum: usize,
    /// Sizes of the groups of equal values.
    ties: Vec<usize>,
}

impl Ranked {
    fn of(left: &[f64], right: &[f64]) -> Self {
        let mut all: Vec<(f64, bool)> = left.iter().map(|value| (*value, true)).collect();
        all.extend(right.iter().map(|value| (*value, false)));
        all.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
        let mut ranked = Self { left: left.len(), ranks: Vec::with_capacity(all.len()), left_sum: 0, ties: Vec::new() };
        for group in all.chunk_by(|a, b| a.0.total_cmp(&b.0).is_eq()) {
            let doubled = 2 * ranked.ranks.len() + 1 + group.len();
            ranked.left_sum += doubled * group.iter().filter(|(_, is_left)| *is_left).count();
            ranked.ranks.resize(ranked.ranks.len() + group.len(), doubled);
            ranked.ties.push(group.len());
        }
        ranked
    }

    /// U of the left sample: the pairs in which it is the larger one, a tie counted as half a pair.
    fn u(&self) -> f64 {
        count(self.left_sum) / 2.0 - count(self.left) * count(self.left + 1) / 2.0
    }

    /// Of all ways to choose the left sample, the share with a sum of ranks as large or larger.
    fn exact(&self) -> f64 {
        let most: usize = self.ranks.iter().sum();
        // ways[k][s]: ways to choose k of the ranks so far that sum up to s. Whole numbers below 2^53: exact.
        let mut ways = vec![vec![0.0_f64; most + 1]; self.left + 1];
        ways[0][0] = 1.0;
        for rank in &self.ranks {
            for chosen in (1..=self.left).rev() {
                for sum in *rank..=most {
                    ways[chosen][sum] += ways[chosen - 1][sum - rank];
                }
            }
        }
        let of_left = &ways[self.left];
        of_left[self.left_sum..].iter().sum::<f64>() / of_left.iter().sum::<f64>()
    }

    /// By the normal distribution, corrected for ties and for continuity.
    fn approximate(&self) -> f64 {
        let (all, left) = (count(self.ranks.len()), count(self.left));
        let pairs = left * (all - left);
        let tied: f64 = self.ties.iter().map(|tie| count(*tie).powi(3) - count(*tie)).sum();
        let variance = pairs / 12.0 * (all + 1.0 - tied / (all * (all - 1.0)));
        // Where all values are equal there is nothing to tell.
        if variance <= 0.0 { 1.0 } else { beyond((self.u() - pairs / 2.0 - 0.5) / variance.sqrt()) }
    }
}

/// How probable a value beyond `z` is in the standard normal distribution, to 1e-7: Abramowitz and Stegun, 26.2.17.
fn beyond(z: f64) -> f64 {
    const COEFFICIENTS: [f64; 5] = [1.330_274_429, -1.821_255_978, 1.781_477_937, -0.356_563_782, 0.319_381_530];
    let t = 1.0 / (1.0 + 0.231_641_9 * z.abs());
    let polynomial = COEFFICIENTS.iter().fold(0.0, |sum, coefficient| (sum + coefficient) * t);
    let density = (-z * z / 2.0).exp() / std::f64::consts::TAU.sqrt();
    let tail = density * polynomial;
    if z < 0.0 { 1.0 - tail } else { tail }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(found: f64, wanted: f64, by: f64) {
        assert!((found - wanted).abs() < by, "{found}, not {wanted}");
    }

    /// Permeability of membranes: Hollander and Wolfe, Nonparametric Statistical Methods, table 4.1; the example of R's
    /// `wilcox.test`: W = 35, one-sided p = 0.1272; two-sided 0.2544, difference in location 0.305.
    #[test]
    fn hollander_and_wolfe_are_met() {
        let term = [0.80, 0.83, 1.89, 1.04, 1.45, 1.38, 1.91, 1.64, 0.73, 1.46];
        let earlier = [1.15, 0.88, 0.90, 0.74, 1.21];
        close(Ranked::of(&term, &earlier).u(), 35.0, 1e-9);
        close(chance_of_larger(&term, &earlier), 0.1272, 5e-5);
        close(2.0 * chance_of_larger(&term, &earlier), 0.2544, 5e-5);
        close(shift(&term, &earlier), 0.305, 1e-9);
    }

    /// Kayenta's own test of its judge, `MannWhitneySuite`: p = 2 / 70 two-sided, estimate 22.5.
    #[test]
    fn kayenta_is_met() {
        let (control, experiment) = ([1.0, 2.0, 3.0, 4.0], [10.0, 20.0, 30.0, 40.0]);
        close(2.0 * chance_of_larger(&experiment, &control), 0.028_571_428_571_428_57, 1e-12);
        close(chance_of_larger(&control, &experiment), 1.0, 1e-12);
        close(shift(&experiment, &control), 22.5, 1e-9);
    }

    /// The example of scipy's `mannwhitneyu`: U = 17, p = 0.1111 exact and 0.11134688653314041 asymptotic, both two-sided.
    #[test]
    fn scipy_is_met() {
        let (males, females) = ([19.0, 22.0, 16.0, 29.0, 24.0], [20.0, 11.0, 17.0, 12.0]);
        let ranked = Ranked::of(&males, &females);
        close(ranked.u(), 17.0, 1e-9);
        close(2.0 * ranked.exact(), 0.111_111, 1e-6);
        close(2.0 * ranked.approximate(), 0.111_346_886_533, 1e-6);
    }

    /// With ties: the test of `ClickHouse`'s `mannWhitneyUTest`, 01560: U = 223, p = 0.5426959774289482 two-sided.
    #[test]
    fn ties_are_corrected_for() {
        let left = [
            310.0, 195.0, 530.0, 155.0, 530.0, 245.0, 385.0, 450.0, 465.0, 545.0, 170.0, 180.0, 125.0, 180.0, 230.0,
            75.0, 430.0, 480.0, 495.0, 295.0,
        ];
        let right = [
            116.0, 171.0, 176.0, 421.0, 111.0, 326.0, 481.0, 111.0, 346.0, 441.0, 261.0, 411.0, 206.0, 521.0, 456.0,
            446.0, 296.0, 51.0, 426.0, 261.0,
        ];
        let ranked = Ranked::of(&left, &right);
        close(ranked.u(), 223.0, 1e-9);
        close(2.0 * ranked.approximate(), 0.542_695_977_428_948_2, 1e-6);
    }

    #[test]
    fn ties_are_exact_in_small_samples() {
        // Four of five against none of five: the four ones fall to the left side in 5 of the 210 ways.
        let (left, right) = ([1.0, 1.0, 1.0, 1.0, 0.0], [0.0; 5]);
        close(chance_of_larger(&left, &right), 5.0 / 210.0, 1e-12);
    }

    #[test]
    fn equal_samples_differ_by_nothing() {
        assert!(chance_of_larger(&[3.0; 100], &[3.0; 100]) > 0.99);
        assert!(chance_of_larger(&[3.0; 5], &[3.0; 5]) > 0.99);
        close(shift(&[3.0; 100], &[3.0; 100]), 0.0, 1e-12);
        close(chance_of_larger(&[], &[1.0]), 1.0, 1e-12);
    }

    #[test]
    fn sizes_that_cannot_tell_are_known() {
        assert!(!can_tell(3, 3) && !can_tell(4, 4) && !can_tell(0, 1_000) && !can_tell(3, 6));
        assert!(can_tell(5, 5) && can_tell(3, 7) && can_tell(1, 100));
        let best = |n: usize, m: usize| chance_of_larger(&vec![1.0; n], &vec![0.0; m]);
        for (n, m) in (1..12).flat_map(|n| (1..12).map(move |m| (n, m))) {
            assert_eq!(can_tell(n, m), best(n, m) <= LEVEL, "{n} and {m}");
        }
    }

    #[test]
    fn many_values_are_thinned_without_a_bias() {
        let low: Vec<f64> = (0..100_000_u32).map(|n| f64::from(n) / 1_000.0).collect();
        let high: Vec<f64> = low.iter().map(|value| value + 7.0).collect();
        close(shift(&high, &low), 7.0, 0.05);
        assert!(chance_of_larger(&high, &low) < 1e-6);
    }
}
