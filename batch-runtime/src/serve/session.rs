//! The token that opens the page, and the sessions of the browsers that have sent the token.

use std::collections::VecDeque;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use subtle::ConstantTimeEq as _;

/// The path of the form that begins and ends sessions.
pub(super) const SESSION: &str = "/session";
/// The shortest token that a file may hold, in characters.
const SHORTEST: usize = 32;
/// The maximum number of open sessions. A further session ends the oldest one.
const MOST_SESSIONS: usize = 1_000;

/// A secret that opens the page.
pub(crate) struct Token(String);

impl Token {
    /// 256 random bits, in 64 hexadecimal digits.
    ///
    /// # Errors
    /// If the system provides no random numbers.
    pub(crate) fn random() -> io::Result<Self> {
        use std::fmt::Write as _;

        let mut bytes = [0_u8; 32];
        File::open("/dev/urandom")?.read_exact(&mut bytes)?;
        Ok(Self(bytes.iter().fold(String::with_capacity(64), |mut text, byte| {
            // Writing to a string cannot fail.
            let _ = write!(text, "{byte:02x}");
            text
        })))
    }

    /// The token in a file. A file that does not exist is created with a random one, and only its owner can read it.
    ///
    /// # Errors
    /// If the token cannot be read, is not valid, or cannot be created. The message does not contain the token.
    pub(crate) fn of_file(path: &Path) -> Result<Self, String> {
        let text = match fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Self::in_new_file(path),
            Err(error) => return Err(format!("it cannot be read: {error}")),
        };
        let token = text.trim();
        if token.len() < SHORTEST || !token.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return Err(format!(
                "a token has at least {SHORTEST} letters and digits, and nothing else; `openssl rand -hex 32` prints one"
            ));
        }
        Ok(Self(token.to_owned()))
    }

    /// Returns whether other users of this machine can read a file.
    pub(crate) fn is_readable_by_others(path: &Path) -> bool {
        fs::metadata(path).is_ok_and(|file| file.permissions().mode() & 0o077 != 0)
    }

    fn in_new_file(path: &Path) -> Result<Self, String> {
        let write = || {
            let token = Self::random()?;
            let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
            writeln!(file, "{}", token.0)?;
            Ok::<_, io::Error>(token)
        };
        write().map_err(|error| format!("it cannot be created: {error}"))
    }

    /// Compares in a time that does not depend on where the two strings differ.
    pub(super) fn is(&self, given: &str) -> bool {
        self.0.as_bytes().ct_eq(given.as_bytes()).into()
    }

    pub(crate) fn text(&self) -> &str {
        &self.0
    }
}

/// The sessions of browsers. A session ends when its user logs out, and with the server.
pub(super) struct Sessions {
    /// The secrets of the open sessions, oldest first.
    open: Mutex<VecDeque<Token>>,
    /// The name of the cookie. It has the port, because browsers send a cookie to every port of its host.
    name: String,
}

impl Sessions {
    pub(super) fn new(port: u16) -> Self {
        Self { open: Mutex::default(), name: format!("batch_{port}") }
    }

    /// Begins a session, and returns the header that hands it to the browser.
    ///
    /// # Errors
    /// If the system provides no random numbers.
    pub(super) fn begin(&self, secure: bool) -> io::Result<String> {
        let secret = Token::random()?;
        let secure = if secure { "; Secure" } else { "" };
        let header = format!("{}={}; Path=/; HttpOnly; SameSite=Strict{secure}", self.name, secret.text());
        let mut open = self.open();
        if open.len() == MOST_SESSIONS {
            open.pop_front();
        }
        open.push_back(secret);
        Ok(header)
    }

    /// Ends the sessions of a request's cookies, and returns the header that removes the cookie.
    pub(super) fn end<'a>(&self, cookies: impl Iterator<Item = &'a str>) -> String {
        let mut open = self.open();
        for given in self.given(cookies) {
            open.retain(|secret| !secret.is(given));
        }
        format!("{}=; Path=/; HttpOnly; SameSite=Strict; Max-Age=0", self.name)
    }

    /// Returns whether one of the cookies of a request belongs to an open session.
    pub(super) fn holds<'a>(&self, cookies: impl Iterator<Item = &'a str>) -> bool {
        let open = self.open();
        self.given(cookies).any(|given| open.iter().any(|secret| secret.is(given)))
    }

    /// The secrets that the cookies of a request hold for this server.
    fn given<'a>(&self, cookies: impl Iterator<Item = &'a str>) -> impl Iterator<Item = &'a str> {
        cookies
            .flat_map(|cookies| cookies.split(';'))
            .filter_map(|cookie| cookie.trim().split_once('='))
            .filter(|(name, _)| *name == self.name)
            .map(|(_, value)| value)
    }

    fn open(&self) -> MutexGuard<'_, VecDeque<Token>> {
        // Each change leaves the list consistent, so it is usable even if a thread panicked while it held the lock.
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::iter;

    use super::*;

    /// The cookie of a new session, as a browser returns it.
    fn begun(sessions: &Sessions) -> String {
        sessions.begin(false).unwrap().split(';').next().unwrap().to_owned()
    }

    fn holds(sessions: &Sessions, cookies: &str) -> bool {
        sessions.holds(iter::once(cookies))
    }

    #[test]
    fn a_session_is_known_by_its_cookie_among_others() {
        let sessions = Sessions::new(8_765);
        let cookie = begun(&sessions);
        assert!(holds(&sessions, &format!("theme=dark; {cookie}; other=1")));
        assert!(!holds(&sessions, &cookie.replace("8765", "8766")));
        assert!(!holds(&sessions, "batch_8765="));
        assert!(!holds(&Sessions::new(8_765), &cookie), "that of another server");
    }

    #[test]
    fn logging_out_ends_one_session() {
        let sessions = Sessions::new(8_765);
        let [one, other] = [begun(&sessions), begun(&sessions)];
        sessions.end(iter::once(one.as_str()));
        assert!(!holds(&sessions, &one), "a copy of the cookie opens nothing");
        assert!(holds(&sessions, &other));
    }

    #[test]
    fn a_server_keeps_a_thousand_sessions() {
        let sessions = Sessions::new(8_765);
        let oldest = begun(&sessions);
        let second = begun(&sessions);
        for _ in 2..=MOST_SESSIONS {
            begun(&sessions);
        }
        assert!(!holds(&sessions, &oldest));
        assert!(holds(&sessions, &second));
    }

    #[test]
    fn a_token_file_is_created_once_and_read_afterwards() {
        let folder = std::env::temp_dir().join(format!("batch-token-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let file = folder.join("token");
        let created = Token::of_file(&file).unwrap();
        assert_eq!(created.text().len(), 64);
        assert!(Token::of_file(&file).unwrap().is(created.text()));
        assert!(!Token::is_readable_by_others(&file));
        fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
        assert!(Token::is_readable_by_others(&file));
        fs::write(&file, "hunter2").unwrap();
        let wrong = Token::of_file(&file).err().unwrap();
        assert!(wrong.contains("at least 32") && !wrong.contains("hunter2"), "{wrong}");
        fs::remove_dir_all(&folder).unwrap();
    }
}
