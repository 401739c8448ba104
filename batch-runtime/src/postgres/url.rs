//! [`Postgres`]: the database that a URL names.

use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio_postgres::Config;
use tokio_postgres::config::Host;

use super::identifier::{self, quoted};
use super::wire::Address;
use super::{PgError, password};
use crate::definition::TimeLimit;

/// A `PostgreSQL` database, returned by a `#[database]` function.
///
/// `postgres://user@host:5432/db?schema=batch` names it. Any part may be left out; the defaults are those of `psql`:
/// this user, a database with the user's name, the server on this machine. The password comes from the URL, from
/// `PGPASSWORD`, or from a file (`~/.pgpass`, unless `PGPASSFILE` names another); no message shows the password.
///
/// | in the URL | means |
/// |---|---|
/// | `schema=batch` | the schema of the tables; `public` if it is left out |
/// | `statements=unnamed` | prepares no statements, for pgbouncer before 1.21 in transaction mode |
/// | `sslmode=require` | requires TLS and the feature `postgres-tls`; by default, TLS is used if both sides can |
/// | `sslmode=verify-full`, `sslrootcert=FILE` | checks the certificate, too; by default against the system's roots |
/// | `sslcert=FILE`, `sslkey=FILE` | this client's own certificate and key |
/// | `host=a,b`, `target_session_attrs=read-write`, `options=…`, `connect_timeout=10`, … | as for `psql` |
///
/// ```
/// use batch_runtime::postgres::Postgres;
///
/// let ledger = Postgres::at("postgres://etl:secret@db.example.com/ledger").statement_timeout("5m");
/// assert_eq!(ledger.place(), "postgres://etl@db.example.com:5432/ledger");
/// ```
#[derive(Clone)]
pub struct Postgres {
    settings: Arc<Result<Settings, String>>,
    statement_timeout: Result<Option<Duration>, String>,
}

/// The settings in a URL.
pub(super) struct Settings {
    pub(super) config: Config,
    pub(super) schema: String,
    /// Whether statements are prepared and kept under names.
    pub(super) named: bool,
    pub(super) place: String,
    pub(super) encryption: Encryption,
}

/// The settings of TLS in a URL.
#[derive(Debug, Clone, Default)]
#[cfg_attr(not(feature = "postgres-tls"), expect(dead_code))]
pub(super) struct Encryption {
    wanted: bool,
    required: bool,
    pub(super) checks: Checks,
    /// The file of root certificates, or `system`.
    pub(super) roots: Option<PathBuf>,
    pub(super) certificate: Option<PathBuf>,
    pub(super) key: Option<PathBuf>,
}

/// The checks of a server's certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Checks {
    /// Nothing, unless `sslrootcert` is given.
    #[default]
    Nothing,
    /// A trusted authority has signed it.
    Authority,
    /// A trusted authority has signed it for the host's name.
    Name,
}

#[cfg(feature = "postgres-tls")]
impl Encryption {
    pub(super) fn is_wanted(&self) -> bool {
        self.wanted
    }

    pub(super) fn is_required(&self) -> bool {
        self.required
    }
}

impl Postgres {
    /// The database at that URL. If the URL is wrong, the first connection fails.
    #[must_use]
    pub fn at(url: impl AsRef<str>) -> Self {
        Self::with(url.as_ref(), &|name| std::env::var_os(name))
    }

    fn with(url: &str, environment: &dyn Fn(&str) -> Option<OsString>) -> Self {
        Self { settings: Arc::new(Settings::parse(url, environment)), statement_timeout: Ok(None) }
    }

    /// Limits the time that a statement of a step may take: `"5m"`, `"90s"`, or a [`Duration`]. Without it the
    /// server's own limit applies.
    ///
    /// ```
    /// use batch_runtime::postgres::Postgres;
    /// use std::time::Duration;
    ///
    /// let ledger = Postgres::at("postgres://localhost/ledger").statement_timeout(Duration::from_secs(90));
    /// # let _ = ledger;
    /// ```
    #[must_use]
    pub fn statement_timeout(mut self, limit: impl TimeLimit) -> Self {
        self.statement_timeout = limit.duration().map(Some);
        self
    }

    /// The URL without its password, for people to read.
    ///
    /// ```
    /// use batch_runtime::postgres::Postgres;
    ///
    /// let ledger = Postgres::at("postgres://etl:secret@localhost:5433/ledger?schema=batch");
    /// assert_eq!(ledger.place(), "postgres://etl@localhost:5433/ledger?schema=batch");
    /// ```
    #[must_use]
    pub fn place(&self) -> &str {
        match &*self.settings {
            Ok(settings) => &settings.place,
            Err(_) => "postgres://?",
        }
    }

    /// The schema of the tables as SQL writes it: in quotes where it needs them.
    ///
    /// ```
    /// use batch_runtime::postgres::Postgres;
    ///
    /// assert_eq!(Postgres::at("postgres://localhost/ledger").schema(), "public");
    /// assert_eq!(Postgres::at("postgres://localhost/ledger?schema=My%20batch").schema(), "\"My batch\"");
    /// ```
    #[must_use]
    pub fn schema(&self) -> String {
        (*self.settings).as_ref().map_or_else(|_| "public".to_owned(), |settings| quoted(&settings.schema))
    }

    /// The time limit of a statement.
    pub(super) fn limit(&self) -> Option<Duration> {
        self.statement_timeout.as_ref().ok().copied().flatten()
    }

    /// Checks the URL and the time limit.
    pub(super) fn settings(&self) -> Result<&Settings, PgError> {
        if let Err(message) = &self.statement_timeout {
            return Err(PgError::misuse(message.clone()));
        }
        (*self.settings).as_ref().map_err(|message| PgError::misuse(message.clone()))
    }
}

impl fmt::Debug for Postgres {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Postgres").field(&self.place()).finish()
    }
}

impl Settings {
    fn parse(url: &str, environment: &dyn Fn(&str) -> Option<OsString>) -> Result<Self, String> {
        let rest = url.strip_prefix("postgres://").or_else(|| url.strip_prefix("postgresql://"));
        // A wrong URL may hold a password anywhere, so it is not shown.
        let rest =
            rest.ok_or("this is not a PostgreSQL URL: write it as in `postgres://user@host:5432/db`")?;
        let (base, query) = rest.split_once('?').unwrap_or((rest, ""));
        let mut ours = Ours::default();
        let theirs: Vec<&str> = query
            .split('&')
            .filter(|pair| !pair.is_empty())
            .map(|pair| ours.take(pair).map(|taken| (!taken).then_some(pair)))
            .filter_map(Result::transpose)
            .collect::<Result<_, String>>()?;
        let url = format!("postgres://{base}?{}", theirs.join("&"));
        let mut config: Config = url.trim_end_matches('?').parse().map_err(|error| wrong(&error))?;
        complete(&mut config, environment)?;
        let encryption = ours.encryption()?;
        let schema = ours.schema.unwrap_or_else(|| "public".to_owned());
        let place = place(&config, &schema);
        if config.get_password().is_none()
            && let Some(password) = password::find(&config, environment)
        {
            config.password(password);
        }
        Ok(Self { config, schema, named: !ours.unnamed, place, encryption })
    }

    /// The servers to try, in order.
    pub(super) fn addresses(&self) -> impl Iterator<Item = Address> {
        let (ports, numbers) = (self.config.get_ports(), self.config.get_hostaddrs());
        self.config
            .get_hosts()
            .iter()
            .enumerate()
            .map(move |(at, host)| Address::new(host.clone(), numbers.get(at).copied(), port(ports, at)))
    }
}

/// The driver's message names the option and never its value.
fn wrong(error: &tokio_postgres::Error) -> String {
    let what = std::error::Error::source(error).map_or_else(|| error.to_string(), ToString::to_string);
    format!("the PostgreSQL URL is wrong: {what}; write it as in `postgres://user@host:5432/db`")
}

fn port(ports: &[u16], at: usize) -> u16 {
    ports.get(at).or_else(|| ports.first()).copied().unwrap_or(5432)
}

/// The options that this module handles, because the driver does not know them.
#[derive(Default)]
struct Ours {
    schema: Option<String>,
    unnamed: bool,
    sslmode: Option<String>,
    roots: Option<PathBuf>,
    certificate: Option<PathBuf>,
    key: Option<PathBuf>,
}

impl Ours {
    /// Takes an option if this module handles it.
    fn take(&mut self, pair: &str) -> Result<bool, String> {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        match name {
            "schema" => self.schema = Some(identifier::checked(unescaped(value))?),
            "statements" => {
                self.unnamed = match value {
                    "named" => false,
                    "unnamed" => true,
                    _ => return Err(format!("`statements={value}` is neither `named` nor `unnamed`")),
                }
            }
            "sslmode" => self.sslmode = Some(unescaped(value)),
            "sslrootcert" => self.roots = Some(unescaped(value).into()),
            "sslcert" => self.certificate = Some(unescaped(value).into()),
            "sslkey" => self.key = Some(unescaped(value).into()),
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn encryption(&mut self) -> Result<Encryption, String> {
        let can = cfg!(feature = "postgres-tls");
        let (wanted, required, checks) = match self.sslmode.as_deref() {
            Some("disable") => (false, false, Checks::Nothing),
            None | Some("allow" | "prefer") => (can, false, Checks::Nothing),
            Some("require") => (true, true, Checks::Nothing),
            Some("verify-ca") => (true, true, Checks::Authority),
            Some("verify-full") => (true, true, Checks::Name),
            Some(mode) => {
                return Err(format!(
                    "`sslmode={mode}` is none of `disable`, `prefer`, `require`, `verify-ca`, `verify-full`"
                ));
            }
        };
        if required && !can {
            let mode = self.sslmode.as_deref().unwrap_or_default();
            return Err(format!("`sslmode={mode}` needs the feature `postgres-tls` of batch-runtime"));
        }
        if self.certificate.is_some() != self.key.is_some() {
            return Err("`sslcert` and `sslkey` must be given together".to_owned());
        }
        let (roots, certificate, key) = (self.roots.take(), self.certificate.take(), self.key.take());
        Ok(Encryption { wanted, required, checks, roots, certificate, key })
    }
}

fn unescaped(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        let digits = after.get(..2).and_then(|digits| str::from_utf8(digits).ok());
        match digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) if *first == b'%' => {
                bytes.push(byte);
                rest = &after[2..];
            }
            _ => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Fills in what is left out, as `psql` does.
fn complete(config: &mut Config, environment: &dyn Fn(&str) -> Option<OsString>) -> Result<(), String> {
    if config.get_user().is_none() {
        let named = environment("PGUSER").and_then(|name| name.into_string().ok());
        let user = named.or_else(|| {
            nix::unistd::User::from_uid(nix::unistd::geteuid()).ok().flatten().map(|user| user.name)
        });
        config
            .user(user.ok_or("the PostgreSQL URL names no user: write it as in `postgres://user@host/db`")?);
    }
    if config.get_dbname().is_none()
        && let Some(user) = config.get_user().map(str::to_owned)
    {
        config.dbname(user);
    }
    if config.get_hosts().is_empty() {
        let addresses: Vec<_> = config.get_hostaddrs().iter().map(ToString::to_string).collect();
        if addresses.is_empty() {
            let socket = PathBuf::from(password::DEFAULT_SOCKET);
            if socket.is_dir() {
                config.host_path(socket)
            } else {
                config.host("localhost")
            };
        }
        for address in addresses {
            config.host(address);
        }
    }
    Ok(())
}

/// The URL without its password.
fn place(config: &Config, schema: &str) -> String {
    let hosts: Vec<String> = config
        .get_hosts()
        .iter()
        .enumerate()
        .map(|(at, host)| {
            let port = port(config.get_ports(), at);
            match host {
                Host::Tcp(host) if host.contains(':') => format!("[{host}]:{port}"),
                Host::Tcp(host) => format!("{host}:{port}"),
                Host::Unix(folder) => format!("{}:{port}", folder.to_string_lossy().replace('/', "%2F")),
            }
        })
        .collect();
    let (user, database) = (config.get_user().unwrap_or_default(), config.get_dbname().unwrap_or_default());
    let schema = if schema == "public" { String::new() } else { format!("?schema={schema}") };
    format!("postgres://{user}@{}/{database}{schema}", hosts.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(url: &str, variables: &[(&str, &str)]) -> Postgres {
        Postgres::with(url, &|name| {
            variables.iter().find(|(known, _)| *known == name).map(|(_, value)| value.into())
        })
    }

    fn refusal(url: &str) -> String {
        with(url, &[]).settings().err().expect("the URL is wrong").to_string()
    }

    #[test]
    fn a_place_is_the_url_without_its_password() {
        for (url, place) in [
            ("postgres://me:hunter2@host/db", "postgres://me@host:5432/db"),
            ("postgresql://me@host:1/db?password=hunter2", "postgres://me@host:1/db"),
            ("postgres://me@a:1,b:2/db?schema=Batch", "postgres://me@a:1,b:2/db?schema=Batch"),
            ("postgres://me@%2Ftmp%2Fx:7/db", "postgres://me@%2Ftmp%2Fx:7/db"),
            ("postgres://me@[::1]:7/db", "postgres://me@[::1]:7/db"),
            ("postgres://me@host", "postgres://me@host:5432/me"),
        ] {
            assert_eq!(with(url, &[]).place(), place, "{url}");
            assert_eq!(format!("{:?}", with(url, &[])), format!("Postgres({place:?})"));
        }
    }

    #[test]
    fn the_user_may_come_from_the_environment() {
        assert_eq!(with("postgres://host/db", &[("PGUSER", "etl")]).place(), "postgres://etl@host:5432/db");
    }

    #[test]
    fn the_password_comes_from_the_url_or_from_the_environment() {
        let password = |url: &str| {
            let database = with(url, &[("PGPASSWORD", "hunter2")]);
            let settings = database.settings().unwrap();
            String::from_utf8(settings.config.get_password().unwrap().to_vec()).unwrap()
        };
        assert_eq!(password("postgres://me@host/db"), "hunter2");
        assert_eq!(password("postgres://me:own@host/db"), "own");
    }

    #[test]
    fn a_wrong_url_says_what_is_wrong_and_shows_no_password() {
        for (url, part) in [
            ("mysql://me:hunter2@host/db", "not a PostgreSQL URL"),
            ("postgres://me:hunter2@host:port/db", "invalid value for option `port`"),
            ("postgres://me:hunter2@host/db?colour=blue", "unknown option `colour`"),
            ("postgres://me:hunter2@host/db?schema=", "`schema=` is empty"),
            ("postgres://me:hunter2@host/db?sslmode=none", "none of `disable`"),
            ("postgres://me:hunter2@host/db?sslkey=a", "given together"),
            ("postgres://me:hunter2@host/db?statements=all", "neither `named` nor `unnamed`"),
        ] {
            let text = refusal(url);
            assert!(text.contains(part) && !text.contains("hunter2"), "{text}");
        }
    }

    #[cfg(not(feature = "postgres-tls"))]
    #[test]
    fn tls_needs_its_feature() {
        for mode in ["require", "verify-ca", "verify-full"] {
            let text = refusal(&format!("postgres://me@host/db?sslmode={mode}"));
            assert_eq!(text, format!("`sslmode={mode}` needs the feature `postgres-tls` of batch-runtime"));
        }
        assert!(with("postgres://me@host/db?sslmode=prefer", &[]).settings().is_ok());
    }

    #[test]
    fn a_limit_of_time_is_a_text_or_a_duration() {
        let limit = |limit: &str| with("postgres://me@host/db", &[]).statement_timeout(limit);
        assert_eq!(limit("5m").limit(), Some(Duration::from_mins(5)));
        assert_eq!(limit("1.5s").limit(), Some(Duration::from_millis(1500)));
        for wrong in ["", "5", "-5m", "soon", "0s"] {
            let refusal = limit(wrong).settings().err().unwrap().to_string();
            assert!(refusal.contains("is not a time limit"), "{refusal}");
        }
    }

    #[test]
    fn an_escaped_option_is_read() {
        assert_eq!(with("postgres://me@host/db?schema=a%20b%22", &[]).schema(), "\"a b\"\"\"");
    }
}
