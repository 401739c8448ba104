//! Decides who may see the page, and who may change something.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::header::{
    AUTHORIZATION, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, COOKIE, HOST, HeaderMap, HeaderName,
    HeaderValue, LOCATION, ORIGIN, REFERRER_POLICY, SET_COOKIE, VARY, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{Method, StatusCode, Uri, request::Parts};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};

use super::listen::Listener;
use super::query::Query;
use super::session::{SESSION, Sessions, Token};
use super::view::login;

/// The maximum size of a form, in bytes.
const BODY_BYTES: usize = 64 << 10;
/// The longest time that a form may take to arrive.
const BODY_TIME: Duration = Duration::from_secs(15);
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
    form-action 'self'; base-uri 'none'; frame-ancestors 'none'";
const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// Decides who may see the page, and what they may do.
pub(crate) struct Guard {
    /// The name of the program, for the head of each page.
    program: String,
    token: Token,
    sessions: Sessions,
    /// The hosts that a request may name, in lower case and without a port.
    hosts: Vec<String>,
    /// The bound address, which a request may name as well.
    address: Option<SocketAddr>,
    read_only: bool,
}

impl Guard {
    pub(crate) fn new(
        program: &str,
        token: Token,
        listener: &Listener,
        hosts: &[String],
        read_only: bool,
    ) -> Self {
        let address = listener.address();
        let sessions = Sessions::new(address.map_or(0, |address| address.port()));
        let hosts = hosts.iter().map(|host| host.to_lowercase()).collect();
        Self { program: program.to_owned(), token, sessions, hosts, address, read_only }
    }

    pub(super) fn program(&self) -> &str {
        &self.program
    }

    /// Returns whether the page is read-only, so that its buttons do nothing.
    pub(super) fn is_read_only(&self) -> bool {
        self.read_only
    }

    /// Returns whether the page answers to this host. Without this check, another site could point its own name at our
    /// address and read the page (DNS rebinding).
    fn knows(&self, host: &str) -> bool {
        let (name, port) = split(host);
        let name = name.to_lowercase();
        if self.hosts.contains(&name) {
            // A reverse proxy has a port of its own.
            return true;
        }
        let Some(address) = self.address else { return name == "localhost" };
        let is_port = port.map_or(address.port() == 80, |port| port == address.port().to_string());
        let ip = name.trim_start_matches('[').trim_end_matches(']');
        let is_address = ip.parse() == Ok(address.ip());
        // Only `--host` can know the names that other machines use for this one.
        is_port && (is_address || (name == "localhost" && address.ip().is_loopback()))
    }

    fn is_admitted(&self, headers: &HeaderMap) -> bool {
        let bearer = text(headers, &AUTHORIZATION).and_then(|value| value.strip_prefix("Bearer "));
        bearer.is_some_and(|token| self.token.is(token.trim())) || self.sessions.holds(cookies(headers))
    }
}

/// The values of a request's cookie headers.
fn cookies(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok())
}

/// The name and the port of a host.
fn split(host: &str) -> (&str, Option<&str>) {
    match host.rsplit_once(':') {
        Some((name, port)) if !name.contains(':') || name.ends_with(']') => (name, Some(port)),
        _ => (host, None),
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// Returns whether a request comes from our own page, or from no page at all. The rule is that of Go's
/// `CrossOriginProtection`: browsers send `Sec-Fetch-Site` over HTTPS or loopback, and `Origin` with every POST;
/// programs send neither.
fn is_of_our_page(headers: &HeaderMap, host: &str) -> bool {
    if let Some(site) = headers.get(FETCH_SITE) {
        return site == "same-origin" || site == "none";
    }
    match text(headers, &ORIGIN) {
        Some(origin) => origin.split_once("://").is_some_and(|(_, of)| of.eq_ignore_ascii_case(host)),
        None => !headers.contains_key(ORIGIN),
    }
}

/// Passes on the requests that are allowed, and adds the security headers to each response.
pub(super) async fn guard(State(guard): State<Arc<Guard>>, request: Request, next: Next) -> Response {
    let mut response = match admit(&guard, request).await {
        Ok(request) => next.run(request).await,
        Err(refusal) => refusal,
    };
    let headers = response.headers_mut();
    for (name, value) in [
        (CONTENT_SECURITY_POLICY, POLICY),
        (REFERRER_POLICY, "no-referrer"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (CACHE_CONTROL, "no-store"),
        (VARY, "cookie, x-fragment"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

async fn admit(guard: &Guard, request: Request) -> Result<Request, Response> {
    let (parts, body) = request.into_parts();
    let host = host_of(&parts).filter(|host| guard.knows(host)).ok_or_else(|| {
        refuse(
            StatusCode::MISDIRECTED_REQUEST,
            "This page does not answer to that name. `serve --host NAME` adds a name.",
        )
    })?;
    // A link to such a path would lead to another host.
    if parts.uri.path().starts_with("//") {
        return Err(refuse(StatusCode::NOT_FOUND, "There is no such page."));
    }
    let is_safe = matches!(parts.method, Method::GET | Method::HEAD);
    if !is_safe && parts.method != Method::POST {
        return Err(refuse(StatusCode::METHOD_NOT_ALLOWED, "This page takes GET and POST."));
    }
    if is_safe && let Some(response) = by_link(guard, &parts) {
        return Err(response);
    }
    let is_login = !is_safe && parts.uri.path() == SESSION;
    if !is_login && !guard.is_admitted(&parts.headers) {
        return Err(log_in(guard, &parts.uri, false));
    }
    if is_safe {
        return Ok(Request::from_parts(parts, Body::empty()));
    }
    if !is_of_our_page(&parts.headers, &host) {
        return Err(refuse(StatusCode::FORBIDDEN, "This request comes from another site."));
    }
    if guard.read_only && !is_login {
        return Err(refuse(
            StatusCode::FORBIDDEN,
            "This page is read-only: the server was started with `--read-only`, or on an address that other machines can \
             reach, without `--allow-actions`.",
        ));
    }
    let body = form(body).await?;
    if is_login {
        return Err(session(guard, &parts, &body));
    }
    Ok(Request::from_parts(parts, Body::from(body)))
}

/// The host that the client names, in a header or in the address.
fn host_of(parts: &Parts) -> Option<String> {
    let named = || text(&parts.headers, &HOST).map(str::to_owned);
    parts.uri.authority().map(|authority| authority.as_str().to_owned()).or_else(named)
}

async fn form(body: Body) -> Result<Bytes, Response> {
    match tokio::time::timeout(BODY_TIME, to_bytes(body, BODY_BYTES)).await {
        Ok(Ok(bytes)) => Ok(bytes),
        Ok(Err(_)) => Err(refuse(StatusCode::PAYLOAD_TOO_LARGE, "The form has more than 64 KiB.")),
        Err(_) => Err(refuse(StatusCode::REQUEST_TIMEOUT, "The form took too long to arrive.")),
    }
}

/// Begins a session if the address contains the token, and redirects to the address without the token, so that no
/// history and no copied link contains it.
fn by_link(guard: &Guard, parts: &Parts) -> Option<Response> {
    let mut query = Query::of(parts.uri.query());
    let token = query.take("token")?;
    if !guard.token.is(&token) {
        return None;
    }
    let rest = query.to_string();
    let path = local(parts.uri.path());
    let to = if rest.is_empty() { path } else { format!("{path}?{rest}") };
    Some(begin_session(guard, parts, &to))
}

/// The answer to the form of the login page, and to `log out`.
fn session(guard: &Guard, parts: &Parts, body: &[u8]) -> Response {
    let mut form = Query::of(std::str::from_utf8(body).ok());
    let to = form.take("to").map_or_else(|| "/".to_owned(), |to| local(&to));
    match form.take("token") {
        Some(token) if guard.token.is(token.trim()) => begin_session(guard, parts, &to),
        Some(_) => log_in(guard, &to.parse().unwrap_or_default(), true),
        None => redirect(&guard.sessions.end(cookies(&parts.headers)), "/"),
    }
}

/// A path of this page, never one of another host.
fn local(path: &str) -> String {
    // Browsers leave out tabs and line ends.
    let path: String = path.chars().filter(|letter| !letter.is_control()).collect();
    format!("/{}", path.trim_start_matches(['/', '\\']))
}

fn begin_session(guard: &Guard, parts: &Parts, to: &str) -> Response {
    let is_secure = parts.headers.get(FORWARDED_PROTO).is_some_and(|proto| proto == "https");
    match guard.sessions.begin(is_secure) {
        Ok(cookie) => redirect(&cookie, to),
        Err(error) => refuse(
            StatusCode::INTERNAL_SERVER_ERROR,
            &format!("The system provides no random numbers for a session: {error}"),
        ),
    }
}

/// Sets the cookie, and redirects the browser.
fn redirect(cookie: &str, to: &str) -> Response {
    let mut response = StatusCode::SEE_OTHER.into_response();
    for (name, value) in [(SET_COOKIE, cookie), (LOCATION, to)] {
        if let Ok(value) = HeaderValue::from_str(value) {
            response.headers_mut().insert(name, value);
        }
    }
    response
}

fn log_in(guard: &Guard, to: &Uri, is_wrong: bool) -> Response {
    let to = to.path_and_query().map_or("/", |to| to.as_str());
    let is_document = !to.split('?').next().is_some_and(|path| path.contains('.'));
    if !is_document {
        return refuse(StatusCode::UNAUTHORIZED, "A token is needed: `Authorization: Bearer TOKEN`.");
    }
    let mut query = Query::of(to.split_once('?').map(|(_, query)| query));
    query.take("token");
    let path = local(to.split('?').next().unwrap_or("/"));
    let rest = query.to_string();
    let to = if rest.is_empty() { path } else { format!("{path}?{rest}") };
    let html = login::page(&guard.program, &to, is_wrong).into_string();
    let html_type = (CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    (StatusCode::UNAUTHORIZED, [html_type], html).into_response()
}

fn refuse(status: StatusCode, why: &str) -> Response {
    (status, format!("{why}\n")).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guard_of(listen: &str, hosts: &[&str]) -> Guard {
        let hosts: Vec<String> = hosts.iter().map(|host| (*host).to_owned()).collect();
        Guard {
            program: "orders".to_owned(),
            token: Token::random().unwrap(),
            sessions: Sessions::new(80),
            hosts,
            address: listen.parse().ok(),
            read_only: false,
        }
    }

    #[test]
    fn a_host_is_known_by_its_address_or_by_a_given_name() {
        let local = guard_of("127.0.0.1:8765", &["batch.example"]);
        for known in
            ["127.0.0.1:8765", "localhost:8765", "LocalHost:8765", "batch.example", "Batch.Example:443"]
        {
            assert!(local.knows(known), "{known}");
        }
        for foreign in
            ["evil.example", "evil.example:8765", "127.0.0.1", "127.0.0.1:80", "127.0.0.2:8765", ""]
        {
            assert!(!local.knows(foreign), "{foreign}");
        }
        assert!(guard_of("[::1]:8765", &[]).knows("[::1]:8765"));
        assert!(guard_of("127.0.0.1:80", &[]).knows("127.0.0.1"));
        assert!(!guard_of("192.168.0.7:8765", &[]).knows("localhost:8765"));
        assert!(guard_of("", &[]).knows("localhost"));
    }

    #[test]
    fn only_our_own_page_and_programs_may_change_something() {
        let is_ours = |headers: &[(&'static str, &'static str)]| {
            let headers = headers
                .iter()
                .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
            is_of_our_page(&headers.collect(), "localhost:8765")
        };
        assert!(is_ours(&[]));
        assert!(is_ours(&[("sec-fetch-site", "same-origin"), ("origin", "http://localhost:8765")]));
        assert!(is_ours(&[("sec-fetch-site", "none")]));
        assert!(is_ours(&[("origin", "http://localhost:8765")]));
        for site in ["same-site", "cross-site", ""] {
            assert!(!is_ours(&[("sec-fetch-site", site), ("origin", "http://localhost:8765")]), "{site}");
        }
        for origin in ["http://evil.example", "null", "http://localhost:80", "http://xlocalhost:8765"] {
            assert!(!is_ours(&[("origin", origin)]), "{origin}");
        }
    }

    #[test]
    fn a_way_back_stays_on_this_page() {
        assert_eq!(local("//evil.example/x"), "/evil.example/x");
        assert_eq!(local("/\\evil.example"), "/evil.example");
        assert_eq!(local("/\t/evil.example"), "/evil.example");
        assert_eq!(local("https://evil.example"), "/https://evil.example");
    }
}
