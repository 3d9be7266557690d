//! What tells whether cells are well, behind the `Signals` port: alarms, metrics, queues.
//!
//! Constraint kept: what the service does not say is absent, never zero: an alarm or a queue that does not exist, a metric
//! without points; an answer that came in part is an error.

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use aws_sdk_cloudwatch::types::{
    AlarmType, Dimension, Metric as MetricName, MetricDataQuery, MetricDataResult, MetricStat, ScanBy, StatusCode,
};
use aws_smithy_types::DateTime;
use tokio::sync::Mutex;

use crate::aws::call::{Call, Caller};
use crate::aws::clients::Clients;
use crate::aws::queue_depth;
use crate::domain::fleet::Place;
use crate::domain::rollout::gate::Metric;
use crate::ports::rollout::{Alarm, Depth, Series, Signals};
use crate::ports::{CallError, CallErrorKind, Called};

/// Most names, and most alarms, of one `DescribeAlarms` (its API reference).
const ALARMS_MAX: usize = 100;
/// Most queries of one `GetMetricData` (its API reference).
const QUERIES_MAX: usize = 500;

/// The adapter.
pub struct AwsSignals {
    clients: Arc<Clients>,
    caller: Caller,
    /// Addresses of queues by place and name.
    queues: Mutex<HashMap<(Place, String), String>>,
}

impl AwsSignals {
    /// An adapter that reaches all places of a fleet.
    pub fn new(clients: Arc<Clients>, caller: Caller) -> Self {
        Self { clients, caller, queues: Mutex::default() }
    }

    /// Up to `ALARMS_MAX` alarms.
    async fn some_alarms(&self, place: &Place, names: &[String], found: &mut Vec<Alarm>) -> Called<()> {
        let client = self.clients.of(place).await.cloudwatch.clone();
        let mut next = None;
        loop {
            let send = || {
                let request = client.describe_alarms().set_alarm_names(Some(names.to_vec()));
                // Without both, the service gives metric alarms only.
                let request = request.alarm_types(AlarmType::MetricAlarm).alarm_types(AlarmType::CompositeAlarm);
                request.set_max_records(i32::try_from(ALARMS_MAX).ok()).set_next_token(next.clone()).send()
            };
            let subject = format!("{} alarms in {}", names.len(), place.region);
            let answer = self.caller.call(call("cloudwatch:DescribeAlarms", subject), send).await?;
            let state = |value: Option<&aws_sdk_cloudwatch::types::StateValue>| value.map(|v| v.as_str().to_owned());
            for one in answer.metric_alarms() {
                found.extend(alarm(one.alarm_name(), state(one.state_value()), one.state_reason()));
            }
            for one in answer.composite_alarms() {
                found.extend(alarm(one.alarm_name(), state(one.state_value()), one.state_reason()));
            }
            next = answer.next_token.filter(|token| !token.is_empty());
            if next.is_none() {
                return Ok(());
            }
        }
    }

    /// Data points of up to `QUERIES_MAX` metrics, in their order. A metric's points may come in several pages.
    async fn some_points(&self, place: &Place, series: &[Series], (from, to): (i64, i64)) -> Called<Vec<Vec<f64>>> {
        let client = self.clients.of(place).await.cloudwatch.clone();
        let subject = format!("{} metrics in {}", series.len(), place.region);
        let queries: Vec<MetricDataQuery> =
            series.iter().enumerate().map(|(number, one)| query(number, &one.metric)).collect();
        let mut points = vec![Vec::new(); series.len()];
        let mut next = None;
        loop {
            let send = || {
                let request = client.get_metric_data().set_metric_data_queries(Some(queries.clone()));
                let request = request.start_time(DateTime::from_millis(from)).end_time(DateTime::from_millis(to));
                request.scan_by(ScanBy::TimestampAscending).set_next_token(next.clone()).send()
            };
            let answer = self.caller.call(call("cloudwatch:GetMetricData", subject.clone()), send).await?;
            for result in answer.metric_data_results() {
                take(result, &mut points).map_err(|why| refused("cloudwatch:GetMetricData", &subject, why))?;
            }
            next = answer.next_token.filter(|token| !token.is_empty());
            if next.is_none() {
                return Ok(points);
            }
        }
    }

    /// The address of a queue; none where there is no such queue.
    async fn address(&self, place: &Place, name: &str) -> Called<Option<String>> {
        let known = (place.clone(), name.to_owned());
        if let Some(url) = self.queues.lock().await.get(&known) {
            return Ok(Some(url.clone()));
        }
        let client = self.clients.of(place).await.sqs.clone();
        let send = || client.get_queue_url().queue_name(name).send();
        let subject = queue_depth::subject(place, name);
        match self.caller.call(call("sqs:GetQueueUrl", subject), send).await {
            Ok(answer) => {
                let url = answer.queue_url.unwrap_or_default();
                self.queues.lock().await.insert(known, url.clone());
                Ok(Some(url))
            }
            Err(error) if error.kind == CallErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }
}

fn call(operation: &'static str, subject: String) -> Call {
    Call { operation, subject, rate_of: None }
}

fn refused(operation: &'static str, subject: &str, message: String) -> CallError {
    CallError { kind: CallErrorKind::Other, operation, subject: subject.to_owned(), message }
}

fn alarm(name: Option<&str>, state: Option<String>, reason: Option<&str>) -> Option<Alarm> {
    Some(Alarm { name: name?.to_owned(), state: state?, reason: reason.map(str::to_owned) })
}

fn query(number: usize, metric: &Metric) -> MetricDataQuery {
    let dimensions = metric.dimensions.iter();
    let dimensions = dimensions.map(|(name, value)| Dimension::builder().name(name).value(value).build()).collect();
    let name = MetricName::builder().namespace(&metric.namespace).metric_name(&metric.name);
    let name = name.set_dimensions(Some(dimensions)).build();
    let period_s = i32::try_from(metric.period_s).unwrap_or(i32::MAX);
    let stat = MetricStat::builder().metric(name).period(period_s).stat(&metric.statistic).build();
    MetricDataQuery::builder().id(format!("m{number}")).metric_stat(stat).return_data(true).build()
}

/// Puts what one result says where it belongs; an error says why it says nothing.
fn take(result: &MetricDataResult, points: &mut [Vec<f64>]) -> Result<(), String> {
    let id = result.id().unwrap_or_default();
    let number = id.strip_prefix('m').and_then(|number| number.parse::<usize>().ok());
    let of = number.and_then(|number| points.get_mut(number));
    let of = of.ok_or_else(|| format!("the service answers with {id:?}, which nobody asked for"))?;
    if let Some(code @ (StatusCode::InternalError | StatusCode::Forbidden)) = result.status_code() {
        let said = result.messages().iter().filter_map(|message| message.value()).collect::<Vec<_>>().join("; ");
        return Err(format!("the service gives no data for {}: {code} {said}", result.label().unwrap_or(id)));
    }
    of.extend_from_slice(result.values());
    Ok(())
}

/// The name of a queue, which CloudFormation knows by its address.
fn name_of(queue: &str) -> &str {
    queue.rsplit('/').next().unwrap_or(queue)
}

#[async_trait]
impl Signals for AwsSignals {
    async fn alarms(&self, place: &Place, names: &[String]) -> Called<Vec<Alarm>> {
        let mut found = Vec::with_capacity(names.len());
        for chunk in names.chunks(ALARMS_MAX) {
            self.some_alarms(place, chunk, &mut found).await?;
        }
        Ok(found)
    }

    async fn points(&self, place: &Place, series: &[Series], from_ms: i64, to_ms: i64) -> Called<Vec<Vec<f64>>> {
        let mut points = Vec::with_capacity(series.len());
        for chunk in series.chunks(QUERIES_MAX) {
            points.extend(self.some_points(place, chunk, (from_ms, to_ms)).await?);
        }
        Ok(points)
    }

    async fn depth(&self, place: &Place, queue: &str) -> Called<Option<Depth>> {
        let name = name_of(queue);
        let Some(url) = self.address(place, name).await? else { return Ok(None) };
        let client = self.clients.of(place).await.sqs.clone();
        match queue_depth::depth(&self.caller, &client, &url, queue_depth::subject(place, name)).await {
            Ok(messages) => Ok(Some(Depth { messages })),
            Err(error) if error.kind == CallErrorKind::NotFound => {
                self.queues.lock().await.remove(&(place.clone(), name.to_owned()));
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn result(id: &str, code: StatusCode, values: &[f64]) -> MetricDataResult {
        MetricDataResult::builder().id(id).status_code(code).set_values(Some(values.to_vec())).build()
    }

    #[test]
    fn pages_of_a_metric_are_put_together() {
        let mut points = vec![Vec::new(); 2];
        for part in [
            result("m1", StatusCode::PartialData, &[1.0, 2.0]),
            result("m0", StatusCode::Complete, &[]),
            result("m1", StatusCode::Complete, &[3.0]),
        ] {
            take(&part, &mut points).expect("fits");
        }
        assert_eq!(points, [vec![], vec![1.0, 2.0, 3.0]]);
    }

    #[test]
    fn what_the_service_does_not_say_is_no_missing_metric() {
        let mut points = vec![Vec::new()];
        for wrong in [
            result("m0", StatusCode::InternalError, &[]),
            result("m0", StatusCode::Forbidden, &[]),
            result("m1", StatusCode::Complete, &[]),
            result("x", StatusCode::Complete, &[]),
        ] {
            assert!(take(&wrong, &mut points).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn a_queue_is_known_by_its_name_or_by_its_address() {
        assert_eq!(name_of("orders"), "orders");
        assert_eq!(name_of("https://sqs.eu-central-1.amazonaws.com/111122223333/orders.fifo"), "orders.fifo");
    }
}
