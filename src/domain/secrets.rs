//! Recognises secrets that were written as plain text into a definition or a template.
//!
//! Owns: what counts as a secret, for definitions and for the guards of templates alike. Constraint kept: nothing here
//! returns, prints or stores the value that it looks at; an answer names the kind of secret only.

/// Prefixes of tokens that services hand out, the characters that must at least follow, and what they are. The forms
/// are those that the services document for secret scanners.
const PREFIXES: [(&str, usize, &str); 17] = [
    ("github_pat_", 20, "a GitHub token"),
    ("ghp_", 20, "a GitHub token"),
    ("gho_", 20, "a GitHub token"),
    ("ghu_", 20, "a GitHub token"),
    ("ghs_", 20, "a GitHub token"),
    ("ghr_", 20, "a GitHub token"),
    ("glpat-", 16, "a GitLab token"),
    ("xoxa-", 10, "a Slack token"),
    ("xoxb-", 10, "a Slack token"),
    ("xoxp-", 10, "a Slack token"),
    ("xoxr-", 10, "a Slack token"),
    ("xoxs-", 10, "a Slack token"),
    ("sk_live_", 10, "a Stripe key"),
    ("rk_live_", 10, "a Stripe key"),
    ("npm_", 30, "an npm token"),
    ("AIza", 35, "a Google API key"),
    ("sk-ant-", 20, "an API key"),
];

/// Endings of a key's words that say that its value is a secret.
const SECRET_NAMES: [&str; 11] = [
    "password",
    "passwd",
    "passphrase",
    "pwd",
    "secret",
    "token",
    "apikey",
    "credential",
    "privatekey",
    "accesskey",
    "signingkey",
];

/// Last words of a key that is about a secret and does not hold one: `DB_SECRET_ARN`, `TOKEN_TTL`.
const ABOUT: [&str; 27] = [
    "arn",
    "name",
    "id",
    "path",
    "prefix",
    "parameter",
    "url",
    "uri",
    "endpoint",
    "host",
    "issuer",
    "audience",
    "header",
    "field",
    "table",
    "queue",
    "region",
    "version",
    "type",
    "mode",
    "algorithm",
    "policy",
    "ttl",
    "timeout",
    "seconds",
    "expiry",
    "length",
];

/// Values that hide nothing, whatever the key is called.
const HARMLESS: [&str; 13] =
    ["true", "false", "yes", "no", "on", "off", "none", "null", "auto", "default", "enabled", "disabled", "required"];

/// Says what kind of secret `value`, written as plain text under `key`, looks like; `None` where it looks like none.
///
/// The value's form decides first (key ids, private keys, tokens, URLs with a password), then the key's name. Dynamic
/// references, ARNs, placeholders, numbers and words such as `true` are never secrets. The answer is a noun phrase
/// ("a GitHub token") and never holds any part of the value.
pub fn looks_secret(key: &str, value: &str) -> Option<&'static str> {
    secret_form(value).or_else(|| (is_secret_name(key) && !is_harmless(value)).then_some("a secret, by the key's name"))
}

/// Whether a line of a file that is about to be shown as an excerpt holds a secret: in any of its `key: value` parts, in an
/// address's query, or behind an option of a command (`[check, --token, ...]`).
pub fn line_holds_secret(line: &str) -> bool {
    let bare = |text: &str| text.trim().trim_matches(['"', '\'']).to_owned();
    let part_holds = |part: &str| {
        let (key, value) = part.split_once(": ").or_else(|| part.split_once('=')).unwrap_or(("", part));
        looks_secret(bare(key).as_str(), bare(value).as_str()).is_some()
    };
    let items: Vec<String> = line.split([',', '[', ']']).map(bare).collect();
    secret_form(line).is_some()
        || line.split([',', '{', '}', '[', ']', '?', '&']).any(part_holds)
        || items.windows(2).any(|pair| option_holds_secret(&pair[0], &pair[1]))
}

/// The kind of secret that a command's argument holds: by itself, as `--token=...`, or behind an option of such a name.
pub fn argument_secret(before: &str, argument: &str) -> Option<&'static str> {
    let (key, value) = argument.split_once('=').unwrap_or(("", argument));
    let own = looks_secret(key, value).or_else(|| looks_secret("", argument));
    own.or_else(|| option_holds_secret(before, argument).then_some("a secret, by the option's name"))
}

fn option_holds_secret(option: &str, value: &str) -> bool {
    option.starts_with('-') && !option.contains('=') && !value.starts_with('-') && looks_secret(option, value).is_some()
}

/// What to write in place of a secret. Lambda resolves no `ssm-secure` references in a function's environment
/// (CloudFormation user guide, "Using dynamic references").
pub fn reference_hint(function_environment: bool) -> &'static str {
    if function_environment {
        "store it in Secrets Manager and write {{resolve:secretsmanager:NAME:SecretString:KEY}} here (ssm-secure does \
         not work in a function's environment); change the secret if this file was ever committed"
    } else {
        "store it in Secrets Manager and write {{resolve:secretsmanager:NAME:SecretString:KEY}} here, or \
         {{resolve:ssm-secure:NAME}} where the property supports it; change the secret if this file was ever committed"
    }
}

/// The kind of secret that the form of a value gives away.
fn secret_form(value: &str) -> Option<&'static str> {
    if value.contains("-----BEGIN ") && value.contains("PRIVATE KEY") {
        return Some("a private key");
    }
    if has_url_password(value) {
        return Some("a URL with a password");
    }
    words(value).find_map(|word| {
        if is_access_key_id(word) {
            return Some("an AWS access key id");
        }
        if is_jwt(word) {
            return Some("a JSON Web Token");
        }
        let (_, _, kind) = PREFIXES.iter().find(|(prefix, more, _)| {
            word.strip_prefix(prefix)
                .is_some_and(|rest| rest.chars().take_while(char::is_ascii_graphic).count() >= *more)
        })?;
        Some(*kind)
    })
}

/// The runs of characters that tokens are made of.
fn words(value: &str) -> impl Iterator<Item = &str> {
    value.split(|c: char| !(c.is_ascii_alphanumeric() || "_-.".contains(c))).filter(|w| w.len() >= 12)
}

/// Twenty capitals and digits, beginning with AKIA (long-lived) or ASIA (temporary).
fn is_access_key_id(word: &str) -> bool {
    let prefixed = word.starts_with("AKIA") || word.starts_with("ASIA");
    prefixed && word.len() == 20 && word.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit())
}

/// Three base64url parts, the first two of which begin as encoded JSON objects do.
fn is_jwt(word: &str) -> bool {
    let mut parts = word.split('.');
    let (header, claims, signature) = (parts.next(), parts.next(), parts.next());
    let object = |part: Option<&str>| part.is_some_and(|p| p.starts_with("eyJ") && p.len() >= 10);
    object(header) && object(claims) && signature.is_some() && parts.next().is_none()
}

/// `scheme://user:password@host`, unless the password is a reference or a placeholder.
fn has_url_password(value: &str) -> bool {
    value.match_indices("://").any(|(at, separator)| {
        let rest = &value[at + separator.len()..];
        let authority_end = rest.find(['/', '?', '#', ' ', '"', '\'']).unwrap_or(rest.len());
        let Some((user_info, _)) = rest[..authority_end].rsplit_once('@') else { return false };
        user_info.split_once(':').is_some_and(|(_, password)| !password.is_empty() && !is_reference(password))
    })
}

/// Whether a key is called like something secret and not like a fact about it.
fn is_secret_name(key: &str) -> bool {
    let words = key_words(key);
    let about = words.last().is_some_and(|last| ABOUT.contains(&last.as_str()));
    let named = |text: &str| {
        let singular = text.strip_suffix('s').unwrap_or(text);
        SECRET_NAMES.iter().any(|name| singular.ends_with(name))
    };
    !about && (words.iter().any(|w| named(w)) || words.windows(2).any(|pair| named(&pair.concat())))
}

/// A key's words in lower case: `dbPassword`, `DB_PASSWORD` and `db-password` have the same two.
fn key_words(key: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut was_lower = false;
    for c in key.chars() {
        if !c.is_ascii_alphanumeric() || (was_lower && c.is_ascii_uppercase()) {
            words.push(String::new());
        }
        was_lower = c.is_ascii_lowercase() || c.is_ascii_digit();
        if let Some(word) = words.last_mut().filter(|_| c.is_ascii_alphanumeric()) {
            word.push(c.to_ascii_lowercase());
        }
    }
    words.retain(|w| !w.is_empty());
    words
}

/// Whether a value under a secret's name is plainly none: a reference, an ARN, a number, a switch.
fn is_harmless(value: &str) -> bool {
    let value = value.trim();
    value.is_empty()
        || is_reference(value)
        || value.starts_with("arn:")
        || value.parse::<f64>().is_ok()
        || HARMLESS.contains(&value.to_ascii_lowercase().as_str())
}

/// Whether a value is filled in by CloudFormation: a dynamic reference, or a placeholder and nothing else.
fn is_reference(value: &str) -> bool {
    value.contains("{{resolve:") || (value.starts_with("${") && value.ends_with('}'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_of_secrets_are_recognised_under_any_key() {
        let key_id = format!("AKIA{}", "ABCDEFGHIJKLMNOP");
        let slack = format!("xoxb-{}", "1234567890-abcdef");
        let stripe = format!("sk_live_{}", "0123456789abcdef");
        let github = format!("ghp_{}", "a".repeat(36));
        let jwt = format!("eyJ{}.eyJ{}.sig", "hbGciOiJIUzI1NiJ9", "zdWIiOiIxIn0");
        for (value, kind) in [
            (key_id.as_str(), "an AWS access key id"),
            (slack.as_str(), "a Slack token"),
            (stripe.as_str(), "a Stripe key"),
            (github.as_str(), "a GitHub token"),
            (jwt.as_str(), "a JSON Web Token"),
            ("-----BEGIN RSA PRIVATE KEY-----\nMII", "a private key"),
            ("postgres://app:hunter2@db.example.com/orders", "a URL with a password"),
        ] {
            assert_eq!(looks_secret("NOTE", value), Some(kind));
            assert_eq!(looks_secret("NOTE", &format!("x {value}")), Some(kind));
        }
    }

    #[test]
    fn keys_called_like_secrets_take_references_only() {
        for key in
            ["DB_PASSWORD", "dbPassword", "API_KEY", "apiKey", "Token", "PRIVATE_KEY", "credentials", "authtoken"]
        {
            assert!(looks_secret(key, "hunter2").is_some(), "{key}");
            for value in ["{{resolve:secretsmanager:db:SecretString:password}}", "${Db}", "arn:aws:x", "true", "30", ""]
            {
                assert_eq!(looks_secret(key, value), None, "{key}: {value}");
            }
        }
    }

    #[test]
    fn ordinary_values_are_let_through() {
        for (key, value) in [
            ("DB_SECRET_ARN", "orders/db"),
            ("TOKEN_TTL", "5m"),
            ("SECRETARY", "Ada"),
            ("PARTITION_KEY", "tenantId"),
            ("TOKENIZER", "words"),
            ("URL", "https://example.com:8443/a@b"),
            ("URL", "postgres://app:{{resolve:secretsmanager:db:SecretString:password}}@db/orders"),
            ("AKIA", "AKIA-is-a-prefix-here"),
            ("LEVEL", "debug"),
        ] {
            assert_eq!(looks_secret(key, value), None, "{key}: {value}");
        }
    }
}
