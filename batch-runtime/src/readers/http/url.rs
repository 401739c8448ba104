//! The addresses of requests: parsed, joined, and resolved against the address of a response.

use std::fmt::{self, Write as _};

/// An absolute address without credentials and without a fragment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Url {
    is_https: bool,
    /// In lower case; an IPv6 address is in brackets.
    host: String,
    port: u16,
    /// Begins with a slash.
    path: String,
    /// Without the question mark; empty if there is none.
    query: String,
}

impl Url {
    /// Parses an absolute address. The error message never repeats the address, which may hold a password.
    pub(crate) fn parse(text: &str) -> Result<Self, &'static str> {
        let (scheme, rest) =
            text.trim().split_once("://").ok_or("it does not begin with `http://` or `https://`")?;
        let is_https = match scheme.to_ascii_lowercase().as_str() {
            "http" => false,
            "https" => true,
            _ => return Err("it does not begin with `http://` or `https://`"),
        };
        let rest = rest.split('#').next().unwrap_or_default();
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, rest) = rest.split_at(end);
        if authority.contains('@') {
            return Err("it holds a user name or a password: pass them as a header");
        }
        let digits = |port: &str| !port.is_empty() && port.bytes().all(|digit| digit.is_ascii_digit());
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if digits(port) => {
                (host, port.parse().map_err(|_| "its port is not between 0 and 65535")?)
            }
            Some((host, "")) => (host, if is_https { 443 } else { 80 }),
            _ => (authority, if is_https { 443 } else { 80 }),
        };
        let is_name = |letter: char| letter.is_ascii_alphanumeric() || "-._~".contains(letter);
        let inside = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        let is_fine = match inside {
            Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
            None => !host.is_empty() && host.chars().all(is_name),
        };
        if !is_fine {
            return Err("its host is neither a name nor an address");
        }
        let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
        let path = if path.is_empty() { "/" } else { path };
        Ok(Self {
            is_https,
            host: host.to_ascii_lowercase(),
            port,
            path: without_dots(&sent(path)),
            query: sent(query),
        })
    }

    /// Appends a path, with or without a query.
    pub(crate) fn join(&self, path: &str) -> Self {
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        let mut joined = self.clone();
        if !path.is_empty() {
            joined.path = without_dots(&sent(&format!(
                "{}/{}",
                self.path.trim_end_matches('/'),
                path.trim_start_matches('/')
            )));
        }
        if !query.is_empty() {
            joined.query = sent(query);
        }
        joined
    }

    /// Resolves a link or a redirect that was found in the answer from this address.
    pub(super) fn resolve(&self, reference: &str) -> Result<Self, &'static str> {
        let reference = reference.trim().split('#').next().unwrap_or_default();
        let scheme = if self.is_https { "https:" } else { "http:" };
        if reference.split_once("://").is_some_and(|(scheme, _)| !scheme.contains(['/', '?'])) {
            return Self::parse(reference);
        }
        if reference.starts_with("//") {
            return Self::parse(&format!("{scheme}{reference}"));
        }
        let (path, query) = reference.split_once('?').unwrap_or((reference, ""));
        let path = match path {
            "" => self.path.clone(),
            path if path.starts_with('/') => path.to_owned(),
            path => {
                let folder = self.path.rfind('/').map_or("/", |slash| &self.path[..=slash]);
                format!("{folder}{path}")
            }
        };
        Ok(Self { path: without_dots(&sent(&path)), query: sent(query), ..self.clone() })
    }

    /// Adds a parameter to the query.
    pub(super) fn add(&mut self, name: &str, value: &str) {
        if !self.query.is_empty() {
            self.query.push('&');
        }
        self.query.push_str(&escaped(name));
        self.query.push('=');
        self.query.push_str(&escaped(value));
    }

    /// Removes the parameters with these names from the query.
    pub(super) fn remove(&mut self, names: &[String]) {
        let is_kept = |pair: &&str| {
            let name = pair.split('=').next().unwrap_or_default();
            !names.iter().any(|secret| *secret == name || escaped(secret) == name)
        };
        let kept: Vec<&str> = self.query.split('&').filter(is_kept).collect();
        self.query = kept.join("&");
    }

    pub(crate) fn is_https(&self) -> bool {
        self.is_https
    }

    /// The host, with the port unless it is the default of the protocol.
    pub(super) fn host(&self) -> String {
        match (self.is_https, self.port) {
            (true, 443) | (false, 80) => self.host.clone(),
            (_, port) => format!("{}:{port}", self.host),
        }
    }

    pub(super) fn has_same_origin(&self, other: &Self) -> bool {
        (self.is_https, &self.host, self.port) == (other.is_https, &other.host, other.port)
    }

    /// The path and the query.
    pub(super) fn target(&self) -> String {
        if self.query.is_empty() { self.path.clone() } else { format!("{}?{}", self.path, self.query) }
    }

    /// The address without the path and the query.
    pub(crate) fn origin(&self) -> String {
        format!("{}://{}", if self.is_https { "https" } else { "http" }, self.host())
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.origin(), self.target())
    }
}

/// Escapes everything but the characters that never have a special meaning in an address.
pub(super) fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            escaped.push(char::from(byte));
        } else {
            // Writing to a string does not fail.
            let _ = write!(escaped, "%{byte:02X}");
        }
    }
    escaped
}

/// Escapes what cannot be sent: spaces, control characters, and characters outside ASCII.
fn sent(text: &str) -> String {
    let mut sent = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_graphic() && !b"\"<>\\^`{|}".contains(&byte) {
            sent.push(char::from(byte));
        } else {
            let _ = write!(sent, "%{byte:02X}");
        }
    }
    sent
}

/// Removes `.` and `..` from a path.
fn without_dots(path: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    let parts: Vec<&str> = path.split('/').skip(1).collect();
    for (index, part) in parts.iter().enumerate() {
        let is_last = index + 1 == parts.len();
        match *part {
            "." | ".." => {
                if *part == ".." {
                    kept.pop();
                }
                if is_last {
                    kept.push("");
                }
            }
            part => kept.push(part),
        }
    }
    format!("/{}", kept.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        Url::parse(text).unwrap()
    }

    #[test]
    fn an_address_is_parsed_and_written_again() {
        for (text, written) in [
            ("http://api.example.org", "http://api.example.org/"),
            ("HTTPS://API.example.org:443/v1?a=b#part", "https://api.example.org/v1?a=b"),
            ("http://[::1]:8080/a/../b/./c", "http://[::1]:8080/b/c"),
            ("http://h?q=é f", "http://h/?q=%C3%A9%20f"),
        ] {
            assert_eq!(url(text).to_string(), written);
        }
        for text in [
            "",
            "api.example.org",
            "ftp://h/",
            "http://",
            "http://u:p@h/",
            "http://h:99999/",
            "http://a b/",
            "http://[::1/",
            "http://h:x/",
        ] {
            assert!(Url::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_path_is_appended_whatever_slashes_there_are() {
        for base in ["http://h/v1", "http://h/v1/"] {
            for path in ["a/b.json", "/a/b.json"] {
                assert_eq!(url(base).join(path).to_string(), "http://h/v1/a/b.json");
            }
        }
        assert_eq!(url("http://h/v1").join("").to_string(), "http://h/v1");
        assert_eq!(url("http://h/v1").join("a?x=1").to_string(), "http://h/v1/a?x=1");
    }

    #[test]
    fn references_resolve_as_in_a_browser() {
        let base = url("http://h:81/a/b/c?d=e");
        for (reference, resolved) in [
            ("?p=2", "http://h:81/a/b/c?p=2"),
            ("/x", "http://h:81/x"),
            ("x?y=http://z/", "http://h:81/a/b/x?y=http://z/"),
            ("../x", "http://h:81/a/x"),
            ("//other/x", "http://other/x"),
            ("https://h:81/a", "https://h:81/a"),
            ("", "http://h:81/a/b/c"),
        ] {
            assert_eq!(base.resolve(reference).unwrap().to_string(), resolved, "{reference}");
        }
        assert!(base.has_same_origin(&url("http://H:81/x")));
        for other in ["https://h:81/", "http://h/", "http://i:81/"] {
            assert!(!base.has_same_origin(&url(other)), "{other}");
        }
    }

    #[test]
    fn parameters_are_escaped_and_secret_ones_removed() {
        let mut url = url("http://h/?key=1&a=2&k%20y=3");
        url.remove(&["key".into(), "k y".into()]);
        url.add("ö&", "1 = 2");
        assert_eq!(url.to_string(), "http://h/?a=2&%C3%B6%26=1%20%3D%202");
    }
}
