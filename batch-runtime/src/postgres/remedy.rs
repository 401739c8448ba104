//! Suggests what to do after a connection was refused.

use std::error::Error as _;
use std::io::{self, ErrorKind};

use super::PgError;

/// Returns the error for a refused connection, with a remedy.
pub(super) fn refused(error: tokio_postgres::Error) -> PgError {
    let text = error.source().map(ToString::to_string).unwrap_or_default();
    if text == "password missing" {
        return PgError::misuse("the server asks for a password, and none is given").remedied(PASSWORD);
    }
    let remedy = match error.code().map(tokio_postgres::error::SqlState::code) {
        Some("28P01") => Some(PASSWORD),
        // The rules of `pg_hba.conf` may depend on the encryption.
        Some("28000")
            if error.as_db_error().is_some_and(|error| error.message().ends_with("no encryption")) =>
        {
            Some("if the server wants TLS, add `?sslmode=require` to the URL")
        }
        Some("28000") => {
            Some("allow the user in the server's `pg_hba.conf`, or name another user in the URL")
        }
        Some("3D000") => Some("create it with `createdb`, or name another in the URL"),
        Some("53300") => Some("end other connections, or raise the server's `max_connections`"),
        Some("57P03") => Some("try again in a moment"),
        _ => None,
    };
    let error = PgError::driver(error);
    match remedy {
        Some(remedy) => error.remedied(remedy),
        None => error,
    }
}

const PASSWORD: &str = "set PGPASSWORD, or put the password into ~/.pgpass or the URL";

/// The error of a server that cannot be reached.
pub(super) fn unreachable(error: io::Error) -> PgError {
    match error.kind() {
        ErrorKind::TimedOut | ErrorKind::WouldBlock => silent(),
        ErrorKind::ConnectionRefused | ErrorKind::NotFound => {
            PgError::unreachable("the server cannot be reached", Some(error))
                .remedied("check that it is running, and the host and port in the URL")
        }
        _ => PgError::unreachable("the server cannot be reached", Some(error))
            .remedied("check the host in the URL, and the network"),
    }
}

/// The error of a server that does not answer.
pub(super) fn silent() -> PgError {
    PgError::silent("the server did not answer in time")
        .remedied("check the host and port in the URL, and the network")
}

/// The error of a server that has not answered while the lease of this process ran.
pub(super) fn silent_until_the_lease_ended() -> PgError {
    PgError::silent("the server did not answer before the lease of this process ran out")
        .remedied("check the network and the server; another process may have taken over the work")
}
