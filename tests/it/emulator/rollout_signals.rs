//! Alarms, metrics and queues, as gates look at them.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_sdk_cloudwatch::Client;
use aws_sdk_cloudwatch::types::{
    ComparisonOperator, Dimension, MetricDatum, StandardUnit, StateValue, Statistic as AlarmStatistic,
};
use aws_smithy_types::DateTime;
use cellctl::domain::definition::Worse;
use cellctl::domain::rollout::gate::Metric;
use cellctl::ports::CallErrorKind;
use cellctl::ports::rollout::{Depth, Series, Signals};

use crate::support::emulator::rollouts::{clients, signals};
use crate::support::emulator::{Proxy, Tables, endpoint};

/// A name that no other test, and no earlier run on the same endpoint, has.
fn unique(test: &str) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
    format!("{test}-{}-{}", std::process::id(), now.as_nanos())
}

async fn cloudwatch() -> Client {
    clients(&endpoint().await.url).of(&Tables::place()).await.cloudwatch.clone()
}

async fn put_alarm(client: &Client, name: &str, state: StateValue) {
    let request = client.put_metric_alarm().alarm_name(name).namespace("Shop").metric_name("Errors");
    let request = request.statistic(AlarmStatistic::Sum).evaluation_periods(1).threshold(1.0);
    // LocalStack looks at an alarm by itself: without data it stays as it is, and that is an hour from now.
    let request = request.comparison_operator(ComparisonOperator::GreaterThanThreshold).treat_missing_data("ignore");
    request.period(3_600).send().await.expect("put");
    let request = client.set_alarm_state().alarm_name(name).state_value(state).state_reason("by hand");
    request.send().await.expect("set");
}

#[tokio::test]
async fn alarms_are_found_by_their_names() {
    let (client, signals, base) = (cloudwatch().await, signals(&endpoint().await.url), unique("alarms"));
    let names: Vec<String> = ["bad", "good", "none"].iter().map(|name| format!("{base}-{name}")).collect();
    put_alarm(&client, &names[0], StateValue::Alarm).await;
    put_alarm(&client, &names[1], StateValue::Ok).await;
    let mut found = signals.alarms(&Tables::place(), &names).await.expect("read");
    found.sort_by(|a, b| a.name.cmp(&b.name));
    let states: Vec<(&str, &str)> = found.iter().map(|alarm| (alarm.name.as_str(), alarm.state.as_str())).collect();
    assert_eq!(states, [(names[0].as_str(), "ALARM"), (names[1].as_str(), "OK")]);
    assert_eq!(found[0].reason.as_deref(), Some("by hand"));
    assert_eq!(signals.alarms(&Tables::place(), &[]).await, Ok(Vec::new()));
}

#[tokio::test]
async fn many_alarms_are_asked_for_a_hundred_at_a_time() {
    let proxy = Proxy::start(&endpoint().await.url).await;
    let (client, base) = (cloudwatch().await, unique("manyalarms"));
    let names: Vec<String> = (0..201).map(|number| format!("{base}-{number:03}")).collect();
    for name in [&names[0], &names[150], &names[200]] {
        put_alarm(&client, name, StateValue::Ok).await;
    }
    let found = signals(&proxy.url()).alarms(&Tables::place(), &names).await.expect("read");
    let found: Vec<&String> = found.iter().map(|alarm| &alarm.name).collect();
    assert_eq!(found, [&names[0], &names[150], &names[200]]);
    assert_eq!(proxy.seen().len(), 3);
}

fn series(cell: &str, namespace: &str, name: &str, statistic: &str) -> Series {
    let metric = Metric {
        namespace: namespace.to_owned(),
        name: name.to_owned(),
        statistic: statistic.to_owned(),
        dimensions: vec![("Cell".to_owned(), cell.to_owned())],
        worse: Worse::Higher,
        tolerance_percent: 10,
        points_min: 1,
        period_s: 60,
    };
    Series { cell: cell.parse().expect("valid"), metric }
}

/// Puts a value of a metric at a time, in seconds since 1970.
async fn put_point(client: &Client, namespace: &str, cell: &str, value: f64, at_s: i64) {
    let dimension = Dimension::builder().name("Cell").value(cell).build();
    let datum = MetricDatum::builder().metric_name("Errors").dimensions(dimension).value(value);
    let datum = datum.unit(StandardUnit::Count).timestamp(DateTime::from_secs(at_s)).build();
    client.put_metric_data().namespace(namespace).metric_data(datum).send().await.expect("put");
}

#[tokio::test]
async fn points_of_a_metric_come_in_their_order() {
    let (client, signals) = (cloudwatch().await, signals(&endpoint().await.url));
    let namespace = unique("Points");
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs();
    let begin_s = i64::try_from(now / 60 * 60 - 600).expect("small");
    for (cell, minute, value) in [("cell-1", 0, 1.0), ("cell-1", 0, 2.0), ("cell-1", 2, 5.0), ("cell-2", 1, 7.0)] {
        put_point(&client, &namespace, cell, value, begin_s + minute * 60 + 5).await;
    }
    let asked = [
        series("cell-2", &namespace, "Errors", "Sum"),
        series("cell-1", &namespace, "Errors", "Sum"),
        series("cell-1", &namespace, "Errors", "Average"),
        series("cell-3", &namespace, "Errors", "Sum"),
        series("cell-1", &namespace, "Nothing", "Sum"),
    ];
    let expected = [vec![7.0], vec![3.0, 5.0], vec![1.5, 5.0], vec![], vec![]];
    let (from_ms, to_ms) = (begin_s * 1_000, (begin_s + 300) * 1_000);
    let points = signals.points(&Tables::place(), &asked, from_ms, to_ms).await.expect("read");
    assert_eq!(points, expected);
    assert_eq!(signals.points(&Tables::place(), &[], from_ms, to_ms).await, Ok(Vec::new()));
}

#[tokio::test]
async fn many_metrics_are_asked_for_five_hundred_at_a_time() {
    let proxy = Proxy::start(&endpoint().await.url).await;
    let (client, namespace) = (cloudwatch().await, unique("Many"));
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs();
    let begin_s = i64::try_from(now / 60 * 60 - 600).expect("small");
    put_point(&client, &namespace, "cell-1", 4.0, begin_s).await;
    let mut asked = vec![series("cell-2", &namespace, "Errors", "Sum"); 501];
    asked[500] = series("cell-1", &namespace, "Errors", "Sum");
    let (from_ms, to_ms) = (begin_s * 1_000, (begin_s + 300) * 1_000);
    let points = signals(&proxy.url()).points(&Tables::place(), &asked, from_ms, to_ms).await.expect("read");
    assert_eq!((points.len(), &points[499], &points[500]), (501, &vec![], &vec![4.0]));
    assert_eq!(proxy.seen().len(), 2);
}

#[tokio::test]
async fn a_queue_is_as_deep_as_all_that_it_holds() {
    let (signals, place) = (signals(&endpoint().await.url), Tables::place());
    let sqs = clients(&endpoint().await.url).of(&place).await.sqs.clone();
    let name = unique("depth");
    assert_eq!(signals.depth(&place, &name).await, Ok(None));
    let url = sqs.create_queue().queue_name(&name).send().await.expect("made").queue_url.expect("an address");
    assert_eq!(signals.depth(&place, &name).await, Ok(Some(Depth { messages: 0 })));
    for delay_s in [0, 0, 900] {
        sqs.send_message().queue_url(&url).message_body("x").delay_seconds(delay_s).send().await.expect("sent");
    }
    // One is being worked on.
    let received = sqs.receive_message().queue_url(&url).visibility_timeout(900).send().await.expect("received");
    assert_eq!(received.messages().len(), 1);
    // CloudFormation knows a queue by its address.
    for queue in [&name, &url] {
        assert_eq!(signals.depth(&place, queue).await, Ok(Some(Depth { messages: 3 })));
    }
    sqs.delete_queue().queue_url(&url).send().await.expect("deleted");
    let deadline = std::time::Instant::now() + Duration::from_secs(30);
    while signals.depth(&place, &name).await != Ok(None) {
        assert!(std::time::Instant::now() < deadline, "it is still there");
    }
}

#[tokio::test]
async fn what_cannot_be_asked_is_an_error_and_not_an_absence() {
    let nobody = signals("http://127.0.0.1:1");
    let place = Tables::place();
    let names = ["x".to_owned()];
    let alarms = nobody.alarms(&place, &names).await.expect_err("nobody answers");
    let points = nobody.points(&place, &[series("cell-1", "Shop", "Errors", "Sum")], 0, 60_000).await;
    let depth = nobody.depth(&place, "x").await.expect_err("nobody answers");
    for error in [alarms, points.expect_err("nobody answers"), depth] {
        assert_eq!(error.kind, CallErrorKind::Unreachable, "{error}");
    }
}
