//! Who the caller is and what it may do, behind the `Identities` port.

use std::sync::Arc;

use async_trait::async_trait;

use crate::domain::fleet::Place;
use crate::ports::{CallError, CallErrorKind, Called, Clock, Identities, Identity};

use super::call::{Call, Caller};
use super::clients::Clients;

/// The adapter.
pub struct AwsIdentities {
    clients: Arc<Clients>,
    caller: Caller,
    clock: Arc<dyn Clock>,
}

impl AwsIdentities {
    /// An adapter over these clients.
    pub fn new(clients: Arc<Clients>, caller: Caller, clock: Arc<dyn Clock>) -> Self {
        Self { clients, caller, clock }
    }
}

fn call(operation: &'static str, subject: String) -> Call {
    Call { operation, subject, rate_of: None }
}

#[async_trait]
impl Identities for AwsIdentities {
    async fn identity(&self, place: &Place) -> Called<Identity> {
        let clients = self.clients.of(place).await;
        let send = || clients.sts.get_caller_identity().send();
        let answer = self.caller.call(call("sts:GetCallerIdentity", place.region.to_string()), send).await?;
        let text = |value: Option<&str>| value.unwrap_or_default().to_owned();
        Ok(Identity { account: text(answer.account()), arn: text(answer.arn()) })
    }

    async fn denied_actions(&self, place: &Place, actions: &[&str]) -> Called<Vec<String>> {
        let identity = self.identity(place).await?;
        let principal = principal_of(&identity.arn);
        let clients = self.clients.of(place).await;
        let names: Vec<String> = actions.iter().map(|a| (*a).to_owned()).collect();
        let send = || {
            let request = clients.iam.simulate_principal_policy().policy_source_arn(&principal);
            request.set_action_names(Some(names.clone())).send()
        };
        let answer = self.caller.call(call("iam:SimulatePrincipalPolicy", principal.clone()), send).await?;
        let results = answer.evaluation_results().iter();
        Ok(results
            .filter(|r| r.eval_decision().as_str() != "allowed")
            .map(|r| r.eval_action_name().to_owned())
            .collect())
    }

    async fn clock_skew(&self, place: &Place) -> Called<i64> {
        let clients = self.clients.of(place).await;
        let config = clients.sts.get_caller_identity().customize();
        let seen: Arc<std::sync::Mutex<Option<i64>>> = Arc::default();
        let watch = date_watch::DateWatch::new(Arc::clone(&seen));
        let outcome = config.interceptor(watch).send().await;
        let server_ms = *seen.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        match (server_ms, outcome) {
            (Some(server_ms), _) => Ok(server_ms - self.clock.now_ms()),
            (None, outcome) => Err(CallError {
                kind: CallErrorKind::Other,
                operation: "sts:GetCallerIdentity",
                subject: place.region.to_string(),
                message: outcome.err().map_or_else(|| "the answer carries no date".to_owned(), |e| e.to_string()),
            }),
        }
    }

    async fn quota(&self, place: &Place, service: &str, code: &str) -> Called<Option<f64>> {
        let clients = self.clients.of(place).await;
        let subject = format!("{service} {code} in {}", place.region);
        let send = || clients.quotas.get_service_quota().service_code(service).quota_code(code).send();
        match self.caller.call(call("servicequotas:GetServiceQuota", subject), send).await {
            Ok(answer) => Ok(answer.quota().and_then(aws_sdk_servicequotas::types::ServiceQuota::value)),
            Err(error) if error.kind == CallErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// IAM simulates roles and users, not sessions: `assumed-role/NAME/SESSION` becomes the role.
fn principal_of(arn: &str) -> String {
    let Some((head, rest)) = arn.split_once(":assumed-role/") else { return arn.to_owned() };
    let role = rest.split('/').next().unwrap_or(rest);
    format!("{}:role/{role}", head.replacen(":sts:", ":iam:", 1))
}

/// Reads the `Date` header of an answer.
mod date_watch {
    use std::sync::{Arc, Mutex, PoisonError};

    use aws_sdk_sts::config::interceptors::BeforeDeserializationInterceptorContextRef;
    use aws_sdk_sts::config::{ConfigBag, Intercept, RuntimeComponents};
    use aws_sdk_sts::error::BoxError;
    use aws_sdk_sts::primitives::{DateTime, DateTimeFormat};

    /// Puts the server's time, in milliseconds since 1970, where its maker can see it.
    #[derive(Debug)]
    pub(super) struct DateWatch {
        seen: Arc<Mutex<Option<i64>>>,
    }

    impl DateWatch {
        pub(super) fn new(seen: Arc<Mutex<Option<i64>>>) -> Self {
            Self { seen }
        }
    }

    impl Intercept for DateWatch {
        fn name(&self) -> &'static str {
            "DateWatch"
        }

        fn read_before_deserialization(
            &self,
            context: &BeforeDeserializationInterceptorContextRef<'_>,
            _: &RuntimeComponents,
            _: &mut ConfigBag,
        ) -> Result<(), BoxError> {
            let header = context.response().headers().get("date");
            let date = header.and_then(|text| DateTime::from_str(text, DateTimeFormat::HttpDate).ok());
            *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = date.and_then(|d| d.to_millis().ok());
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::principal_of;

    #[test]
    fn sessions_become_roles() {
        let session = "arn:aws:sts::111122223333:assumed-role/Deploy/ci";
        assert_eq!(principal_of(session), "arn:aws:iam::111122223333:role/Deploy");
        let user = "arn:aws:iam::111122223333:user/ann";
        assert_eq!(principal_of(user), user);
    }
}
