//! Helpers shared by several of the framework's tests, which are in the folders next to this one.

#[cfg(feature = "serve")]
pub mod chromium;
#[cfg(feature = "otel")]
pub mod collector;
pub mod missing;
#[cfg(feature = "postgres")]
pub mod postgres;
pub mod proxy;
#[cfg(feature = "amqp")]
pub mod rabbitmq;
#[cfg(any(feature = "amqp", feature = "postgres", feature = "serve"))]
mod watcher;

use std::path::{Path, PathBuf};
use std::process::Command;

/// Removes the tags from the names of unfinished files in a text: 16 hexadecimal digits and a dot before `part`.
#[must_use]
pub fn without_tags(text: &str) -> String {
    let mut rest = text;
    let mut text_without = String::new();
    while let Some(at) = rest.find(".part") {
        let (before, after) = rest.split_at(at);
        let name = before
            .rsplit_once('.')
            .filter(|(_, tag)| tag.len() == 16 && tag.bytes().all(|digit| digit.is_ascii_hexdigit()));
        text_without.push_str(name.map_or(before, |(name, _)| name));
        text_without.push_str(&after[..1]);
        rest = &after[1..];
    }
    text_without + rest
}

/// Finds the file whose name without its tag is this one, such as `out.csv.part`.
///
/// # Panics
/// If the path has no name, or its folder cannot be read.
#[must_use]
pub fn unfinished(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap().to_str().unwrap();
    let mut entries =
        std::fs::read_dir(path.parent().unwrap()).into_iter().flatten().map(|entry| entry.unwrap());
    let is_it =
        |entry: &std::fs::DirEntry| without_tags(entry.file_name().to_str().unwrap_or_default()) == name;
    entries.find(is_it).map_or_else(|| path.to_owned(), |entry| entry.path())
}

/// Makes a certificate authority `ca`, a certificate `server` that it signed for `localhost`, and a self-signed
/// certificate `own`, as `.crt` and `.key` files in the folder.
///
/// Returns `None` after a line of advice if there is no `openssl`.
///
/// # Panics
/// If there is none and `CI` is set, or if it fails.
#[must_use]
pub fn certificates(folder: &Path) -> Option<()> {
    if !missing::has_program("openssl") {
        return None;
    }
    let openssl = |arguments: &str| {
        let output = Command::new("openssl").args(arguments.split(' ')).current_dir(folder).output().unwrap();
        assert!(output.status.success(), "openssl {arguments}: {}", String::from_utf8_lossy(&output.stderr));
    };
    std::fs::write(folder.join("san"), "subjectAltName=DNS:localhost\n").unwrap();
    openssl(
        "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout ca.key -out ca.crt -subj /CN=ca -days 2",
    );
    openssl(
        "req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout server.key -out server.csr -subj /CN=server",
    );
    openssl(
        "x509 -req -in server.csr -CA ca.crt -CAkey ca.key -CAcreateserial -out server.crt -days 2 -extfile san",
    );
    openssl(
        "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout own.key -out own.crt -subj /CN=own -days 2 -addext subjectAltName=DNS:localhost",
    );
    Some(())
}
