//! The answers that are not a success, in the words of the service.
//!
//! Owns: error codes, HTTP statuses and texts. Constraint kept: codes and texts are those that AWS sends, since the
//! program under test has only them to tell one error from another.

use super::query::{Caller, Request};

/// One refusal of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    /// The HTTP status.
    pub(crate) status: u16,
    /// The error code.
    pub(crate) code: &'static str,
    /// The text for people.
    pub(crate) message: String,
}

impl Refusal {
    /// A refusal with status 400, as nearly all of them have.
    pub(crate) fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self { status: 400, code, message: message.into() }
    }

    /// `ValidationError`, the code for everything that has none of its own.
    pub(crate) fn validation(message: impl Into<String>) -> Self {
        Self::new("ValidationError", message)
    }

    /// A parameter outside its limits, in the form that the service's own checks have.
    pub(crate) fn constraint(value: &str, at: &str, rule: &str) -> Self {
        let text = format!("1 validation error detected: Value {value} at '{at}' failed to satisfy constraint: {rule}");
        Self::validation(text)
    }

    /// No stack of that name, in the form of the reading actions.
    pub(crate) fn no_stack_with_id(name: &str) -> Self {
        Self::validation(format!("Stack with id {name} does not exist"))
    }

    /// No stack of that name, in the form of the changing actions.
    pub(crate) fn no_stack(name: &str) -> Self {
        Self::validation(format!("Stack [{name}] does not exist"))
    }

    /// A stack that is in the wrong state; `what` is such as "updated".
    pub(crate) fn wrong_state(id: &str, status: &str, what: &str) -> Self {
        Self::validation(format!("Stack:{id} is in {status} state and can not be {what}."))
    }

    /// No change set of that name.
    pub(crate) fn no_change_set(name: &str) -> Self {
        let message = format!("ChangeSet [{name}] does not exist");
        Self { status: 404, code: "ChangeSetNotFound", message }
    }

    /// The answer to a request beyond the rate limit.
    pub(crate) fn throttled() -> Self {
        Self::new("Throttling", "Rate exceeded")
    }
}

/// Errors that a script can order for a request, whatever it asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ErrorKind {
    /// The rate limit.
    Throttling,
    /// Temporary credentials have run out.
    ExpiredToken,
    /// No policy allows the action.
    AccessDenied,
    /// The secret key is a wrong one, or the clock is.
    SignatureDoesNotMatch,
    /// The service is down; the request had no effect.
    ServiceUnavailable,
    /// The service failed; the request had no effect.
    InternalFailure,
    /// The account has as many stacks as it may.
    LimitExceeded,
    /// Another operation runs on the stack.
    OperationInProgress,
}

impl ErrorKind {
    /// The answer to `request`.
    pub(crate) fn refusal(self, request: &Request) -> Refusal {
        match self {
            Self::Throttling => Refusal::throttled(),
            Self::ExpiredToken => forbidden("ExpiredToken", "The security token included in the request is expired"),
            Self::AccessDenied => forbidden("AccessDenied", &access_denied(request)),
            Self::SignatureDoesNotMatch => forbidden(
                "SignatureDoesNotMatch",
                "The request signature we calculated does not match the signature you provided. Check your AWS Secret \
                 Access Key and signing method. Consult the service documentation for details.",
            ),
            Self::ServiceUnavailable => broken(503, "ServiceUnavailable", "Service is unavailable"),
            Self::InternalFailure => broken(500, "InternalFailure", "Internal failure. Please try your request again."),
            Self::LimitExceeded => Refusal::new(
                "LimitExceededException",
                "Limit for stack has been exceeded. Your current limit is: 2000. Consider requesting an increase.",
            ),
            Self::OperationInProgress => Refusal {
                status: 409,
                code: "OperationInProgressException",
                message: format!("Another Operation on {} is in progress", request.get("StackName").unwrap_or("-")),
            },
        }
    }
}

fn forbidden(code: &'static str, message: &str) -> Refusal {
    Refusal { status: 403, code, message: message.to_owned() }
}

fn broken(status: u16, code: &'static str, message: &str) -> Refusal {
    Refusal { status, code, message: message.to_owned() }
}

fn access_denied(request: &Request) -> String {
    let Caller { account, region } = &request.caller;
    let action = &request.action;
    let resource = match request.get("StackName") {
        Some(id) if id.starts_with("arn:") => id.to_owned(),
        Some(name) => format!("arn:aws:cloudformation:{region}:{account}:stack/{name}/*"),
        None => "*".to_owned(),
    };
    format!(
        "User: arn:aws:iam::{account}:user/scripted is not authorized to perform: cloudformation:{action} on \
         resource: {resource} because no identity-based policy allows the cloudformation:{action} action"
    )
}
