//! Identifiers of the domain, each a newtype that can only hold a valid value.
//!
//! Owns: the syntax of every name that a user types or that AWS returns. Constraint kept: an identifier is
//! validated once, at the edge, and nothing below has to look at it again. The limits come from the service
//! that is strictest about the name; each is given at its type.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Why a text is not a valid identifier.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{value:?} is not a valid {kind}: {rule}")]
pub struct InvalidId {
    /// What kind of identifier was expected, in words ("cell name").
    pub kind: &'static str,
    /// The offending text, shortened to 80 characters.
    pub value: String,
    /// The rule that it breaks, as a sentence fragment for people.
    pub rule: &'static str,
}

/// Declares a string newtype with a validity predicate, `FromStr`, `Display` and serde through strings.
macro_rules! string_id {
    ($(#[$doc:meta])* $name:ident, $kind:literal, $rule:literal, $valid:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// The identifier as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;

            fn from_str(text: &str) -> Result<Self, InvalidId> {
                let valid: fn(&str) -> bool = $valid;
                if valid(text) {
                    return Ok(Self(text.to_owned()));
                }
                Err(InvalidId { kind: $kind, value: text.chars().take(80).collect(), rule: $rule })
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidId;

            fn try_from(text: String) -> Result<Self, InvalidId> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> String {
                id.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }
    };
}

/// Lower-case letters, digits and single hyphens, starting with a letter, not ending with a hyphen.
fn is_kebab(text: &str, length_max: usize) -> bool {
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    text.len() <= length_max
        && text.starts_with(|c: char| c.is_ascii_lowercase())
        && text.chars().all(allowed)
        && !text.ends_with('-')
        && !text.contains("--")
}

string_id!(
    /// Name of a fleet. At most 20 characters, so that the artifact bucket's name, which carries it beside the
    /// account and the Region, stays within S3's 63.
    FleetName, "fleet name",
    "use 1 to 20 lower-case letters, digits and single hyphens, starting with a letter",
    |text| is_kebab(text, 20)
);
string_id!(
    /// Name of a cell. At most 24 characters, so that `<fleet>-<cell>-<function>` stays within Lambda's 64.
    CellId, "cell name",
    "use 1 to 24 lower-case letters, digits and single hyphens, starting with a letter",
    |text| is_kebab(text, 24)
);
string_id!(
    /// Name of a template: the folder below the templates directory that holds it.
    TemplateName, "template name",
    "use 1 to 40 lower-case letters, digits and single hyphens, starting with a letter",
    |text| is_kebab(text, 40)
);
string_id!(
    /// Name of a CloudFormation stack: a letter, then letters, digits and hyphens; at most 128 characters
    /// (CloudFormation API reference, `CreateStack`, `StackName`).
    StackName, "stack name",
    "use 1 to 128 letters, digits and hyphens, starting with a letter",
    |text| text.len() <= 128
        && text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
);
string_id!(
    /// Code of an AWS Region, such as `eu-central-1` or `us-gov-west-1`. Only the form is checked: new Regions
    /// appear without a new release of cellctl.
    Region, "Region",
    "use a Region code such as eu-central-1",
    is_region
);
string_id!(
    /// Number of an AWS account: exactly twelve digits.
    AccountId, "account number",
    "use exactly 12 digits, in quotes",
    |text| text.len() == 12 && text.bytes().all(|b| b.is_ascii_digit())
);

string_id!(
    /// Name of a tenant, as the application knows it and as it stands in the keys of the tenant's items. ASCII, so that
    /// no two names look alike; without `#`, `/` and blanks, so that it is safe in keys, paths, headers and URLs.
    TenantId, "tenant name",
    "use 1 to 128 ASCII letters, digits, dots, hyphens and underscores, starting with a letter or digit, without two dots in a row",
    is_tenant
);
string_id!(
    /// Name of a tier of service, such as `enterprise`.
    Tier, "tier",
    "use 1 to 40 lower-case letters, digits and single hyphens, starting with a letter",
    |text| is_kebab(text, 40)
);
string_id!(
    /// Name of a set of Regions that the fleet's definition lists, such as `eu`.
    Residency, "residency",
    "use 1 to 40 lower-case letters, digits and single hyphens, starting with a letter",
    |text| is_kebab(text, 40)
);

fn is_tenant(text: &str) -> bool {
    (1..=128).contains(&text.len())
        && text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
        && !text.contains("..")
}

/// Number of partitions of the tenant map. A tenant's place among them is part of its key, so that it never changes.
pub const BUCKETS: u8 = 16;

impl TenantId {
    /// The partition of the tenant map that holds the tenant: from 0 up to but not including `BUCKETS`.
    pub fn bucket(&self) -> u8 {
        use sha2::Digest as _;
        sha2::Sha256::digest(self.0.as_bytes()).first().map_or(0, |byte| byte % BUCKETS)
    }
}

/// The form of a Region code: two to four hyphen-separated parts, the last one a number.
fn is_region(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    let Some((number, words)) = parts.split_last() else { return false };
    (2..=4).contains(&words.len())
        && words[0].len() == 2
        && words.iter().all(|w| !w.is_empty() && w.bytes().all(|b| b.is_ascii_lowercase()))
        && (1..=2).contains(&number.len())
        && number.bytes().all(|b| b.is_ascii_digit())
}

impl StackName {
    /// The name of a cell's stack: `<fleet>-<cell>`. Both parts are bounded, so it always fits.
    pub fn of_cell(fleet: &FleetName, cell: &CellId) -> Self {
        Self(format!("{fleet}-{cell}"))
    }

    /// The name of the stack that holds the fleet's control state.
    pub fn of_control(fleet: &FleetName) -> Self {
        Self(format!("cellctl-{fleet}-control"))
    }

    /// The name of the stack that holds the artifact bucket of one account and Region other than the control's.
    pub fn of_artifacts(fleet: &FleetName) -> Self {
        Self(format!("cellctl-{fleet}-artifacts"))
    }
}

/// SHA-256 of some bytes, as 64 lower-case hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Digest(String);

impl Digest {
    /// Hashes `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        use sha2::Digest as _;
        Self(hex::encode(sha2::Sha256::digest(bytes)))
    }

    /// What a hasher has come to, for bytes that come in pieces.
    pub fn of_hasher(hasher: sha2::Sha256) -> Self {
        use sha2::Digest as _;
        Self(hex::encode(hasher.finalize()))
    }

    /// Hashes several parts, each preceded by its length, so that no two lists of parts collide.
    pub fn of_parts<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> Self {
        use sha2::Digest as _;
        let mut hasher = sha2::Sha256::new();
        for part in parts {
            hasher.update((part.len() as u64).to_be_bytes());
            hasher.update(part);
        }
        Self(hex::encode(hasher.finalize()))
    }

    /// All 64 digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The first 12 digits, for people.
    pub fn short(&self) -> &str {
        &self.0[..12]
    }
}

/// The deterministic token of a request: the same parts give the same request. At most 128 letters, digits and hyphens
/// (CloudFormation API reference, `ClientRequestToken`).
pub fn request_token<'a>(parts: impl IntoIterator<Item = &'a str>) -> String {
    let digest = Digest::of_parts(parts.into_iter().map(str::as_bytes));
    format!("cellctl-{}", &digest.as_str()[..40])
}

impl TryFrom<String> for Digest {
    type Error = InvalidId;

    fn try_from(text: String) -> Result<Self, InvalidId> {
        let hexadecimal = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
        if text.len() == 64 && text.bytes().all(hexadecimal) {
            return Ok(Self(text));
        }
        let value = text.chars().take(80).collect();
        Err(InvalidId { kind: "digest", value, rule: "a digest is 64 lower-case hexadecimal digits" })
    }
}

impl From<Digest> for String {
    fn from(digest: Digest) -> String {
        digest.0
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cell_names_follow_the_strictest_service() {
        for good in ["a", "cell-1", "canary-eu-2"] {
            assert!(good.parse::<CellId>().is_ok(), "{good}");
        }
        let long = "a".repeat(25);
        for bad in ["", "-a", "a-", "a--b", "1a", "Cell", "cell_1", "cell 1", "cellé", "../x", long.as_str()] {
            assert!(bad.parse::<CellId>().is_err(), "{bad}");
        }
    }

    #[test]
    fn tenant_names_are_safe_everywhere() {
        let longest = "a".repeat(128);
        for good in ["acme", "Acme-2", "0b1c", "org_12.eu", "a", longest.as_str()] {
            assert!(good.parse::<TenantId>().is_ok(), "{good}");
        }
        let long = "a".repeat(300);
        for bad in [
            "",
            "-a",
            ".a",
            "_a",
            "a b",
            "a#b",
            "a/b",
            "../etc",
            "a..b",
            "a\nb",
            "a\0",
            "\u{430}cme",
            "acm\u{e9}",
            "a\u{200b}b",
            "a:b",
            "$(id)",
            "a'--",
            "{\"S\":1}",
            "%2e",
            " acme",
            "acme ",
            long.as_str(),
        ] {
            assert!(bad.parse::<TenantId>().is_err(), "{bad:?}");
        }
        assert_eq!("acme".parse::<TenantId>().expect("valid").bucket(), 2);
    }

    #[test]
    fn regions_are_checked_by_form() {
        for good in ["eu-central-1", "us-gov-west-1", "ap-southeast-2", "us-east-12"] {
            assert!(good.parse::<Region>().is_ok(), "{good}");
        }
        for bad in ["", "frankfurt", "eu-central", "eu-central-x", "EU-central-1", "eu--central-1", "eu-1"] {
            assert!(bad.parse::<Region>().is_err(), "{bad}");
        }
    }

    #[test]
    fn digest_parts_do_not_run_together() {
        let ab_c = Digest::of_parts([b"ab".as_slice(), b"c"]);
        let a_bc = Digest::of_parts([b"a".as_slice(), b"bc"]);
        assert_ne!(ab_c, a_bc);
    }
}
