//! Reading requests of the AWS Query protocol.
//!
//! Owns: the form body, its numbered lists, and who calls according to the signature's scope. Constraint kept: the
//! signature itself is not checked; the scripted endpoint has no secrets.

use std::collections::BTreeMap;

use super::errors::Refusal;

/// The account and Region in which a request acts. Stacks of one are invisible in all others.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Caller {
    /// The account number.
    pub(crate) account: String,
    /// The Region.
    pub(crate) region: String,
}

/// Entries of a list that are read; the longest list of the service has 200.
const LIST_MAX: usize = 1_000;

/// The account of callers whose access key is not an account number.
pub(crate) const ACCOUNT: &str = "111122223333";
/// The Region of unsigned requests.
pub(crate) const REGION: &str = "eu-central-1";

impl Default for Caller {
    fn default() -> Self {
        Self { account: ACCOUNT.to_owned(), region: REGION.to_owned() }
    }
}

impl Caller {
    /// Reads `Credential=<key>/<date>/<region>/...` of an Authorization header. As with the local emulators, a key of
    /// twelve digits is an account.
    fn of(authorization: Option<&str>) -> Self {
        let scope = authorization.and_then(|text| text.split("Credential=").nth(1)).unwrap_or_default();
        let mut parts = scope.split(['/', ',']);
        let mut caller = Self::default();
        if let Some(key) = parts.next().filter(|key| key.len() == 12 && key.bytes().all(|b| b.is_ascii_digit())) {
            key.clone_into(&mut caller.account);
        }
        if let Some(region) = parts.nth(1) {
            region.clone_into(&mut caller.region);
        }
        caller
    }
}

/// One decoded request.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    /// The action, such as `CreateStack`.
    pub(crate) action: String,
    /// The account and Region it acts in.
    pub(crate) caller: Caller,
    params: BTreeMap<String, String>,
}

impl Request {
    /// Decodes a form body.
    pub(crate) fn parse(body: &[u8], authorization: Option<&str>) -> Self {
        let mut params: BTreeMap<String, String> = form_urlencoded::parse(body).into_owned().collect();
        params.remove("Version");
        let action = params.remove("Action").unwrap_or_default();
        Self { action, caller: Caller::of(authorization), params }
    }

    /// All parameters but action and version, by name.
    pub(crate) fn params(&self) -> &BTreeMap<String, String> {
        &self.params
    }

    /// A parameter.
    pub(crate) fn get(&self, key: &str) -> Option<&str> {
        self.params.get(key).map(String::as_str)
    }

    /// A parameter that has to be there.
    pub(crate) fn require(&self, key: &str) -> Result<&str, Refusal> {
        self.get(key).ok_or_else(|| {
            let mut name = key.to_owned();
            name[..1].make_ascii_lowercase();
            Refusal::constraint("null", &name, "Member must not be null")
        })
    }

    /// A Boolean parameter; absent is false.
    pub(crate) fn flag(&self, key: &str) -> bool {
        self.get(key) == Some("true")
    }

    /// A list of texts (`Capabilities.member.1`).
    pub(crate) fn list(&self, prefix: &str) -> Vec<&str> {
        (1..=LIST_MAX).map_while(|n| self.get(&format!("{prefix}.member.{n}"))).collect()
    }

    /// A list of structures (`Tags.member.1.Key`), each a map from the rest of the name to the value.
    pub(crate) fn structs(&self, prefix: &str) -> Vec<BTreeMap<&str, &str>> {
        (1..=LIST_MAX)
            .map(|n| self.below(&format!("{prefix}.member.{n}.")))
            .take_while(|fields| !fields.is_empty())
            .collect()
    }

    fn below(&self, prefix: &str) -> BTreeMap<&str, &str> {
        self.params
            .range(prefix.to_owned()..)
            .map_while(|(key, value)| key.strip_prefix(prefix).map(|rest| (rest, value.as_str())))
            .collect()
    }
}
