//! The token that opens the page, and the session of a browser that has shown it.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use subtle::ConstantTimeEq as _;

/// The path of the form that begins and ends sessions.
pub(super) const SESSION: &str = "/session";
/// The shortest token that a file may hold, in characters.
const SHORTEST: usize = 32;

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
    /// A text that says what is wrong, without the token.
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

    fn in_new_file(path: &Path) -> Result<Self, String> {
        let write = || {
            let token = Self::random()?;
            let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
            writeln!(file, "{}", token.0)?;
            Ok::<_, io::Error>(token)
        };
        write().map_err(|error| format!("it cannot be created: {error}"))
    }

    /// Compares in a time that does not depend on where the texts differ.
    pub(super) fn is(&self, given: &str) -> bool {
        self.0.as_bytes().ct_eq(given.as_bytes()).into()
    }

    pub(crate) fn text(&self) -> &str {
        &self.0
    }
}

/// The sessions of browsers: all share one secret, which ends with the server.
pub(super) struct Sessions {
    secret: Token,
    /// The name of the cookie. It has the port, because cookies have none.
    name: String,
}

impl Sessions {
    pub(super) fn new(port: u16) -> io::Result<Self> {
        Ok(Self { secret: Token::random()?, name: format!("batch_{port}") })
    }

    /// The header that begins a session.
    pub(super) fn cookie(&self, secure: bool) -> String {
        let secure = if secure { "; Secure" } else { "" };
        format!("{}={}; Path=/; HttpOnly; SameSite=Strict{secure}", self.name, self.secret.text())
    }

    /// The header that ends it.
    pub(super) fn end(&self) -> String {
        format!("{}=; Path=/; HttpOnly; SameSite=Strict; Max-Age=0", self.name)
    }

    /// Returns whether one of the cookies of a request belongs to a session.
    pub(super) fn holds(&self, cookies: &str) -> bool {
        cookies
            .split(';')
            .filter_map(|cookie| cookie.trim().split_once('='))
            .any(|(name, value)| name == self.name && self.secret.is(value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_is_known_by_its_cookie_among_others() {
        let sessions = Sessions::new(8_765).unwrap();
        let cookie = sessions.cookie(false);
        let pair = cookie.split(';').next().unwrap();
        assert!(sessions.holds(&format!("theme=dark; {pair}; other=1")));
        assert!(!sessions.holds(&pair.replace("8765", "8766")));
        assert!(!sessions.holds("batch_8765="));
        assert!(!Sessions::new(8_765).unwrap().holds(pair), "that of another server");
    }

    #[test]
    fn a_token_file_is_created_once_and_read_afterwards() {
        let folder = std::env::temp_dir().join(format!("batch-token-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let file = folder.join("token");
        let created = Token::of_file(&file).unwrap();
        assert_eq!(created.text().len(), 64);
        assert!(Token::of_file(&file).unwrap().is(created.text()));
        fs::write(&file, "hunter2").unwrap();
        let wrong = Token::of_file(&file).err().unwrap();
        assert!(wrong.contains("at least 32") && !wrong.contains("hunter2"), "{wrong}");
        fs::remove_dir_all(&folder).unwrap();
    }
}
