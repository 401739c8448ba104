//! A private `RabbitMQ` server for the tests of one process.
//!
//! The server dies with the process, however the process ends: a shell that watches over the server waits for the end
//! of its input.

use std::fmt;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::thread;
use std::time::{Duration, Instant};

use crate::missing;
use crate::watcher::{Watcher, free_port};

/// The scripts of the server, without the wrappers that insist on its own user.
const PROGRAMS: &str = "/usr/lib/rabbitmq/bin";
/// How long a server may take to accept connections on a busy machine.
const STARTING: Duration = Duration::from_mins(2);

/// Runs the server as often as it is told to. After the end of its input it ends the server and the daemon that knows
/// the server's port, and removes the folder.
const WATCHER: &str = r#"
folder=$1; shift; server=
while read -r command; do
    case $command in
        start) setsid "$@" </dev/null >>"$folder/out" 2>&1 & server=$! ;;
        *) kill "-$command" "-$server"; wait "$server" ;;
    esac
    echo "$server"
done
[ -z "$server" ] || { kill -KILL "-$server"; wait "$server"; }
epmd -kill
cd /; rm -rf "$folder"
"#;

/// A private server.
pub struct Server {
    port: u16,
    tls: Option<u16>,
    folder: PathBuf,
    environment: Vec<(&'static str, String)>,
    watcher: Watcher,
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").field("port", &self.port).finish_non_exhaustive()
    }
}

/// The server that all tests of this process share.
///
/// # Panics
/// If there is no server program and `CI` is set, or if the server does not start.
#[must_use]
pub fn server() -> Option<&'static Server> {
    static SERVER: OnceLock<Option<Server>> = OnceLock::new();
    SERVER.get_or_init(|| Server::start(None)).as_ref()
}

impl Server {
    /// Starts a server on a free port, in a folder of its own; returns `None` after a line of advice if there is no
    /// program. With a certificate and its key, in the PEM format, it also listens with TLS.
    ///
    /// # Panics
    /// If there is no server program and `CI` is set, or if the server does not start.
    #[must_use]
    pub fn start(certificate: Option<(&str, &str)>) -> Option<Self> {
        let program = Path::new(PROGRAMS).join("rabbitmq-server");
        if !program.exists() {
            missing::leave_out("there is no RabbitMQ", "apt-get install rabbitmq-server");
            return None;
        }
        let folder = tempfile::Builder::new().prefix("batch-rabbitmq-").tempdir().unwrap().keep();
        let file = |name: &str, text: &str| {
            std::fs::write(folder.join(name), text).unwrap();
            folder.join(name).display().to_string()
        };
        let (port, distribution, names) = (free_port(), free_port(), free_port());
        let mut settings =
            format!("loopback_users = none\nlisteners.tcp.1 = 127.0.0.1:{port}\nlog.console = false\n");
        let tls = certificate.map(|(certificate, key)| {
            let port = free_port();
            let (certificate, key) = (file("certificate.pem", certificate), file("key.pem", key));
            settings += &[
                format!("listeners.ssl.1 = 127.0.0.1:{port}"),
                format!("ssl_options.cacertfile = {certificate}"),
                format!("ssl_options.certfile = {certificate}"),
                format!("ssl_options.keyfile = {key}"),
                "ssl_options.verify = verify_none\n".to_owned(),
            ]
            .join("\n");
            port
        });
        let here = folder.display().to_string();
        let environment = vec![
            ("HOME", here.clone()),
            ("RABBITMQ_NODENAME", format!("batch{port}@localhost")),
            ("RABBITMQ_NODE_PORT", port.to_string()),
            ("RABBITMQ_NODE_IP_ADDRESS", "127.0.0.1".to_owned()),
            ("RABBITMQ_DIST_PORT", distribution.to_string()),
            ("RABBITMQ_MNESIA_BASE", format!("{here}/mnesia")),
            ("RABBITMQ_LOG_BASE", format!("{here}/log")),
            ("RABBITMQ_CONFIG_FILE", file("rabbitmq.conf", &settings)),
            ("RABBITMQ_ENABLED_PLUGINS_FILE", file("plugins", "[].\n")),
            ("ERL_EPMD_PORT", names.to_string()),
            ("ERL_EPMD_ADDRESS", "127.0.0.1".to_owned()),
            // Lets epmd be ended before it has noticed the end of the server.
            ("ERL_EPMD_RELAXED_COMMAND_CHECK", "1".to_owned()),
        ];
        let mut shell = Command::new("/bin/sh");
        shell.args(["-c", WATCHER, "watcher"]).arg(&folder).arg(&program).current_dir(&folder);
        shell.envs(environment.iter().map(|(name, value)| (name, value)));
        let server = Self { port, tls, folder, environment, watcher: Watcher::spawn(shell) };
        server.start_again();
        Some(server)
    }

    /// Its URL, with the user that every server has.
    #[must_use]
    pub fn url(&self) -> String {
        format!("amqp://guest:guest@127.0.0.1:{}", self.port)
    }

    /// Its URL with TLS.
    ///
    /// # Panics
    /// If the server was started without a certificate.
    #[must_use]
    pub fn tls_url(&self) -> String {
        format!("amqps://guest:guest@localhost:{}", self.tls.unwrap())
    }

    /// The port that it listens to on 127.0.0.1.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Its folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Runs `rabbitmqctl` and returns what it prints.
    ///
    /// # Panics
    /// If it fails.
    pub fn control(&self, arguments: &[&str]) -> String {
        let mut command = Command::new(Path::new(PROGRAMS).join("rabbitmqctl"));
        command.args(arguments).current_dir(&self.folder);
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        let output = command.output().unwrap();
        assert!(
            output.status.success(),
            "{arguments:?}: {}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout).unwrap()
    }

    /// Starts it again after it was killed, and waits until it takes commands and connections.
    ///
    /// # Panics
    /// If it does not.
    pub fn start_again(&self) {
        let printed = || std::fs::read_to_string(self.folder.join("out")).unwrap_or_default();
        let startups = || printed().matches("completed with").count();
        let before = startups();
        self.watcher.command("start");
        let deadline = Instant::now() + STARTING;
        // A server that already listens answers with an internal error until its startup is complete.
        while startups() == before {
            assert!(Instant::now() < deadline, "the server does not start: {}", printed());
            thread::sleep(Duration::from_millis(50));
        }
    }

    /// Kills it, and waits until nobody can connect.
    pub fn kill_9(&self) {
        self.watcher.command("KILL");
        while TcpStream::connect(("127.0.0.1", self.port)).is_ok() {
            thread::sleep(Duration::from_millis(10));
        }
    }
}
