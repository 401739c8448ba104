//! The address of a RabbitMQ server.

use std::fmt;
use std::str::FromStr as _;

use lapin::uri::{AMQPScheme, AMQPUri};

use super::BrokerError;

/// The seconds between two heartbeats, unless the URL sets them.
const HEARTBEAT_SECONDS: u16 = 10;
/// The milliseconds that a connection attempt may take, unless the URL sets them.
const CONNECT_TIMEOUT_MS: u64 = 10_000;
/// The maximum size of a frame in bytes, unless the URL sets it. The client keeps 64 frames in memory.
const MAX_FRAME: u32 = 32 * 1024;

/// A URL such as `amqp://user:password@host:5672/vhost`, checked.
#[derive(Clone)]
pub(super) struct Address {
    pub(super) uri: AMQPUri,
    /// Certificates of trusted authorities, in the PEM format.
    pub(super) authorities: Option<String>,
}

impl Address {
    pub(super) fn parse(url: &str) -> Result<Self, BrokerError> {
        let invalid = |why: &str| BrokerError::Url { url: without_password(url), why: why.to_owned() };
        let (_, rest) = url
            .split_once("://")
            .filter(|(scheme, _)| ["amqp", "amqps"].contains(scheme))
            .ok_or_else(|| invalid("it does not begin with `amqp://` or `amqps://`"))?;
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        if path.contains('@') || query.contains('@') {
            return Err(BrokerError::Url {
                url: "amqp://…".to_owned(),
                why: "write `/`, `?` and `@` in a user, a password or the name of a virtual host as `%2f`, `%3f` and `%40`"
                    .to_owned(),
            });
        }
        if path.contains('/') {
            return Err(invalid("write a `/` within the name of the virtual host as `%2f`"));
        }
        let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
        if host.is_empty() || host.starts_with(':') {
            return Err(invalid("it names no host"));
        }
        // The client's own message could quote the password.
        let mut uri = AMQPUri::from_str(url)
            .map_err(|_| invalid("its user, password, host or port cannot be parsed"))?;
        // The client does not recognise an IPv6 address in brackets, and would connect to this machine instead.
        if let Some(end) = host.strip_prefix('[').and_then(|rest| rest.find(']')) {
            host[1..=end].clone_into(&mut uri.authority.host);
        }
        // `amqp://host/` names the virtual host with the empty name, but its author means the default one.
        if uri.vhost.is_empty() {
            "/".clone_into(&mut uri.vhost);
        }
        let mut authorities = None;
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            match name {
                "heartbeat" | "connection_timeout" | "frame_max" | "channel_max" | "auth_mechanism" => {}
                "cacertfile" => {
                    let read = std::fs::read_to_string(value);
                    authorities = Some(read.map_err(|error| invalid(&format!("`{value}`: {error}")))?);
                }
                // The unknown setting may be a part of a password, so it is not shown.
                _ => {
                    let known = "heartbeat, connection_timeout, frame_max, channel_max, auth_mechanism and cacertfile";
                    return Err(invalid(&format!("the only settings after the `?` are {known}")));
                }
            }
        }
        if uri.scheme == AMQPScheme::AMQPS && !cfg!(feature = "amqp-tls") {
            return Err(BrokerError::NoTls { url: without_password(url) });
        }
        uri.query.heartbeat.get_or_insert(HEARTBEAT_SECONDS);
        uri.query.connection_timeout.get_or_insert(CONNECT_TIMEOUT_MS);
        uri.query.frame_max.get_or_insert(MAX_FRAME);
        Ok(Self { uri, authorities })
    }
}

impl fmt::Display for Address {
    /// The address without its password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let AMQPUri { scheme, authority, vhost, .. } = &self.uri;
        let vhost = if vhost == "/" { String::new() } else { format!("/{vhost}") };
        let host = if authority.host.contains(':') {
            format!("[{}]", authority.host)
        } else {
            authority.host.clone()
        };
        write!(f, "{scheme}://{}@{host}:{}{vhost}", authority.userinfo.username, authority.port)
    }
}

/// Removes everything that could be a password from a string that may not even be a URL.
fn without_password(url: &str) -> String {
    let (scheme, rest) = url.split_once("://").map_or(("", url), |(scheme, rest)| (scheme, rest));
    let shown = match rest.rsplit_once('@') {
        Some((user, host)) => {
            let user = user.split_once(':').map_or(user, |(user, _)| user);
            format!("{user}@{host}")
        }
        None => rest.to_owned(),
    };
    // Settings may contain secrets too, so they are not shown.
    let shown = shown.split_once('?').map_or(shown.as_str(), |(shown, _)| shown);
    if scheme.is_empty() { shown.to_owned() } else { format!("{scheme}://{shown}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_shown_without_its_password() {
        for (url, shown) in [
            ("amqp://mq", "amqp://guest@mq:5672"),
            ("amqp://etl:s3cret@mq:5673/batch?heartbeat=5", "amqp://etl@mq:5673/batch"),
            ("amqp://etl:s3%2fcret@[::1]:5673/%2f", "amqp://etl@[::1]:5673"),
            ("amqp://10.0.0.1/", "amqp://guest@10.0.0.1:5672"),
        ] {
            let address = Address::parse(url).unwrap();
            assert_eq!(address.to_string(), shown);
        }
    }

    #[test]
    fn an_address_with_a_mistake_is_refused_without_its_password() {
        for url in [
            "",
            "mq",
            "http://etl:s3cret@mq",
            "amqp://",
            "amqp://etl:s3cret@",
            "amqp://etl:s3cret@:5672",
            "amqp://etl:s3cret@mq:port",
            "amqp://etl:s3cret@mq:70000",
            "amqp://etl:s3cret@mq/a/b",
            "amqp://etl:s3cret@mq?heartbeat=often",
            "amqp://etl:s3cret@mq?password=s3cret",
            "amqp://etl:s3cret@mq?cacertfile=/nowhere.pem",
            "amqp://etl:s3:cret@@mq:x",
            "amqp://etl:/s3cret@mq",
            "amqp://etl:12?s3cret@mq",
            "amqp://etl:12/s3cret@mq/batch",
        ] {
            let error = Address::parse(url).err().unwrap().to_string();
            assert!(!error.contains("cret"), "{error}");
            assert!(error.contains("amqp://"), "{error}");
        }
    }
}
