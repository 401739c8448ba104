//! Finds the password if the URL has none.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use tokio_postgres::Config;
use tokio_postgres::config::Host;

/// The folder in which Debian keeps the sockets of the server.
pub(super) const DEFAULT_SOCKET: &str = "/var/run/postgresql";

/// Finds the password in `PGPASSWORD`, or in the password file.
pub(super) fn find(config: &Config, environment: &dyn Fn(&str) -> Option<OsString>) -> Option<Vec<u8>> {
    if let Some(password) = environment("PGPASSWORD").filter(|password| !password.is_empty()) {
        return Some(password.into_vec());
    }
    let named = environment("PGPASSFILE").filter(|path| !path.is_empty()).map(PathBuf::from);
    let file = named.or_else(|| environment("HOME").map(|home| Path::new(&home).join(".pgpass")))?;
    // Ignore a file that others can read, as `psql` does.
    let meta = file.metadata().ok()?;
    if meta.is_file() && meta.permissions().mode() & 0o077 != 0 {
        tracing::warn!(
            "{} is ignored, because other users can read it: run `chmod 600` on it",
            file.display()
        );
        return None;
    }
    in_text(&std::fs::read_to_string(&file).ok()?, config).map(String::into_bytes)
}

/// Returns the password of the first line `host:port:database:user:password` that matches.
fn in_text(text: &str, config: &Config) -> Option<String> {
    let host = match config.get_hosts().first() {
        Some(Host::Tcp(host)) => host.clone(),
        Some(Host::Unix(folder)) if folder != Path::new(DEFAULT_SOCKET) => {
            folder.to_string_lossy().into_owned()
        }
        _ => "localhost".to_owned(),
    };
    let port = config.get_ports().first().copied().unwrap_or(5432).to_string();
    let wanted = [&host, &port, config.get_dbname()?, config.get_user()?];
    text.lines().filter(|line| !line.starts_with('#')).find_map(|line| {
        let mut fields = fields(line).into_iter();
        let fits =
            wanted.iter().all(|wanted| fields.next().is_some_and(|field| field == "*" || field == **wanted));
        fields.next().filter(|password| fits && !password.is_empty())
    })
}

/// Splits at colons. A backslash escapes the next character.
fn fields(line: &str) -> Vec<String> {
    let mut fields = vec![String::new()];
    let mut characters = line.chars();
    while let Some(character) = characters.next() {
        match (character, fields.last_mut()) {
            (':', _) => fields.push(String::new()),
            ('\\', Some(field)) => field.extend(characters.next()),
            (other, Some(field)) => field.push(other),
            (_, None) => {}
        }
    }
    fields
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str =
        "# a comment\nhost:5432:other:me:no\nhost:*:db:me:pass\\:wo\\\\rd\nlocalhost:5432:*:me:local\n";

    fn password(url: &str) -> Option<String> {
        in_text(FILE, &url.parse().unwrap())
    }

    #[test]
    fn the_first_line_that_fits_has_the_password() {
        assert_eq!(password("postgres://me@host/db").as_deref(), Some("pass:wo\\rd"));
        assert_eq!(password("postgres://me@host:7/db").as_deref(), Some("pass:wo\\rd"));
        assert_eq!(password("postgres://me@%2Fvar%2Frun%2Fpostgresql/x").as_deref(), Some("local"));
        assert_eq!(password("postgres://you@host/db"), None);
    }

    #[test]
    fn a_password_file_that_others_can_read_is_ignored() {
        let file = std::env::temp_dir().join(format!("batch-pgpass-{}", std::process::id()));
        std::fs::write(&file, FILE).unwrap();
        let config: Config = "postgres://me@host/db".parse().unwrap();
        let environment = |name: &str| (name == "PGPASSFILE").then(|| file.clone().into());
        let with_mode = |mode| {
            std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode)).unwrap();
            find(&config, &environment).map(|password| String::from_utf8(password).unwrap())
        };
        assert_eq!(with_mode(0o644), None);
        assert_eq!(with_mode(0o600).as_deref(), Some("pass:wo\\rd"));
        std::fs::remove_file(&file).unwrap();
    }
}
