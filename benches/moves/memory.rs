//! The memory of a move, by the number of items, on tables that hold any number of them.

use cellctl::domain::data::digest::Sum;
use cellctl::domain::data::{Item, Value};

use crate::endless::Endless;
use crate::figure::{Figure, as_f64};
use crate::stand::{Layout, Moved, Stand};

/// MiB at the most.
const GOAL_MIB: f64 = 200.0;
/// How much more a million items may take than a tenth of them: they are to take the same, and the rest is noise.
const RATIO_MAX: f64 = 1.5;
/// Items that the target of `lost` loses: about as many as there are buckets whose keys fit into a comparison.
const LOST: usize = 50;
const TENANT: &str = "acme";

pub(crate) fn figures() -> Vec<Figure> {
    let [thousand, ten, hundred, million] = [1_000, 10_000, 100_000, 1_000_000].map(|items| measured(items, 0));
    vec![
        Figure::new("memory of a move of 1,000 items", thousand, GOAL_MIB, "MiB"),
        Figure::new("memory of a move of 10,000 items", ten, GOAL_MIB, "MiB"),
        Figure::new("memory of a move of 100,000 items", hundred, GOAL_MIB, "MiB"),
        Figure::new("memory of a move of 1,000,000 items", million, GOAL_MIB, "MiB"),
        Figure::new("memory, 1,000,000 items, times that of 100,000", million / hundred, RATIO_MAX, ""),
    ]
}

pub(crate) fn lost() -> Vec<Figure> {
    let peak = measured(1_000_000, LOST);
    vec![Figure::new("memory, 1,000,000 items, 50 of them lost on the way", peak, GOAL_MIB, "MiB")]
}

fn measured(items: usize, lost: usize) -> f64 {
    tokio::runtime::Runtime::new().expect("a runtime").block_on(peak(items, lost))
}

/// The most memory that a move of so many items took, in MiB. The target loses so many of them, which the comparison
/// finds.
async fn peak(items: usize, lost: usize) -> f64 {
    let stand = Stand::make(&format!("movesmemory{items}lost{lost}"), Layout::OneKey).await;
    stand.tenant(TENANT, 0).await;
    let lost_each = items.checked_div(lost).unwrap_or(usize::MAX);
    let endless = Endless::start(&stand, TENANT, items, lost_each).await;
    let moved = stand.move_through(TENANT, "cell-2", endless.url()).await;
    check(&stand, &moved, &endless, (items, lost));
    let seconds = moved.took.as_secs_f64();
    let per_s = as_f64(items) / seconds;
    println!(
        "  {items:>7} items, {lost} lost: {:>5.1} MiB, {seconds:>5.1} s, {per_s:>6.0} items a second",
        moved.peak_mib
    );
    moved.peak_mib
}

/// Everything has arrived, everything is gone where it was, and the receipt says so.
fn check(stand: &Stand, moved: &Moved, endless: &Endless, (items, lost): (usize, usize)) {
    let all = items as u64;
    assert_eq!(endless.held(), [0, all], "items in both cells");
    let receipt = &moved.receipt;
    let count = |name: &str| receipt[name].as_u64();
    assert_eq!((count("itemsCopied"), count("itemsCleaned")), (Some(all), Some(all)), "{receipt}");
    assert_eq!((count("keysRepaired"), count("captureGaps")), (Some(lost as u64), Some(0)), "{receipt}");
    let table = &receipt["tables"][0];
    assert_eq!(
        (table["items"].as_u64(), table["digest"].as_str()),
        (Some(all), Some(&*digest(stand, items))),
        "{receipt}"
    );
}

/// The digest of so many items, by their numbers.
fn digest(stand: &Stand, items: usize) -> String {
    let mut sum = Sum::default();
    for n in 0..items {
        let texts = stand.layout.texts(TENANT, n).into_iter();
        sum.add(&Item(texts.map(|(name, text)| (name.to_owned(), Value::S(text))).collect()));
    }
    sum.hex()
}
