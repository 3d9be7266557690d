//! The copy of a move beside a bare loop of queries and bulk puts.
//!
//! Constraint kept: both on the same tables in the same run, in turn; the bare loop has the concurrency that was best in a
//! trial, reads ahead while it writes, and does nothing else.

use std::time::Instant;

use aws_sdk_dynamodb::types::{AttributeValue, WriteRequest};
use futures_util::{StreamExt, stream};

use crate::figure::{Figure, as_f64};
use crate::stand::{BATCH, Layout, Stand, put};

const ITEMS: usize = 20_000;
/// Items of a trial.
const TRIAL: usize = 5_000;
const IN_FLIGHT: [usize; 5] = [1, 2, 4, 8, 16];
/// Times that both are measured, in turn; the medians count.
const ROUNDS: usize = 5;
/// Share of the bare rate that a copy is to reach.
const SHARE_MIN: f64 = 0.9;

pub(crate) fn figures() -> Vec<Figure> {
    tokio::runtime::Runtime::new().expect("a runtime").block_on(measure())
}

async fn measure() -> Vec<Figure> {
    let trial = Stand::make("movestrial", Layout::OneKey).await;
    let mut best = (0.0_f64, 1);
    for in_flight in IN_FLIGHT {
        let tenant = format!("trial-{in_flight}");
        trial.tenant(&tenant, TRIAL).await;
        let rate = bare(&trial, &tenant, TRIAL, in_flight).await;
        println!("  bare, {in_flight:>2} in flight: {rate:>7.0} items a second");
        if rate > best.0 {
            best = (rate, in_flight);
        }
    }
    let (mut bares, mut moves) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        let stand = Stand::make(&format!("movescopy{round}"), Layout::OneKey).await;
        stand.tenant("bare", ITEMS).await;
        stand.tenant("moved", ITEMS).await;
        // Each goes first in turn: the second finds a table that holds more.
        for n in 0..2 {
            if (round + n) % 2 == 0 {
                bares.push(bare(&stand, "bare", ITEMS, best.1).await);
            } else {
                moves.push(copied(&stand).await);
            }
        }
        println!("  bare {:>7.0}, move {:>7.0} items a second", bares[round], moves[round]);
    }
    let share = median(&mut moves) / median(&mut bares);
    vec![Figure::at_least("copy of 20,000 items, share of the bare rate", share, SHARE_MIN, "")]
}

fn median(rates: &mut [f64]) -> f64 {
    rates.sort_by(f64::total_cmp);
    rates[rates.len() / 2]
}

/// Items a second of a move, from the moment when it read the streams to that when it had copied everything.
async fn copied(stand: &Stand) -> f64 {
    stand.move_to("moved", "cell-2").await;
    let journal = stand.journal("moved").await;
    let at = |wanted: &str| journal.iter().find(|(name, _)| name == wanted).map(|(_, at_ms)| *at_ms).expect("an entry");
    let ms = u32::try_from(at("copied") - at("capture-started")).expect("a while");
    as_f64(ITEMS) / (f64::from(ms) / 1000.0)
}

/// Items a second of the bare loop.
async fn bare(stand: &Stand, tenant: &str, items: usize, in_flight: usize) -> f64 {
    let target = stand.table(2);
    let began = Instant::now();
    let request = stand.shop.aws.dynamodb.query().table_name(stand.table(1)).consistent_read(true);
    let request = request.key_condition_expression("tenantId = :tenant");
    let pages = request.expression_attribute_values(":tenant", AttributeValue::S(tenant.to_owned()));
    let mut pages = pages.into_paginator().send();
    let (send, mut receive) = tokio::sync::mpsc::channel(2);
    let reading = async move {
        while let Some(page) = pages.next().await {
            let writes: Vec<WriteRequest> =
                page.expect("read").items.unwrap_or_default().into_iter().map(put).collect();
            if send.send(writes).await.is_err() {
                return;
            }
        }
    };
    let batches = async_batches(&mut receive);
    let writing = batches.map(|batch| stand.put_all(&target, batch)).buffer_unordered(in_flight).collect::<Vec<()>>();
    tokio::join!(reading, writing);
    as_f64(items) / began.elapsed().as_secs_f64()
}

/// The pages that come, in batches.
fn async_batches(
    pages: &mut tokio::sync::mpsc::Receiver<Vec<WriteRequest>>,
) -> impl futures_util::Stream<Item = Vec<WriteRequest>> {
    let pages = stream::unfold(pages, |pages| async move { pages.recv().await.map(|page| (page, pages)) });
    pages.flat_map(|page| {
        let batches: Vec<Vec<WriteRequest>> = page.chunks(BATCH).map(<[WriteRequest]>::to_vec).collect();
        stream::iter(batches)
    })
}
