//! A private `PostgreSQL` server for the tests of one process, and a database of its own for each test.
//!
//! The server dies with the process, however the process ends: a shell that watches over the server waits for the end
//! of its input.
//! `BATCH_TEST_POSTGRES=postgres://…` names another server to use, whose user may create databases.

use std::os::unix::fs::{PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use batch_runtime::postgres::{Postgres, Session};

use crate::missing;
use crate::watcher::{Watcher, free_port};

/// How long a server may take to accept connections on a busy machine.
const STARTING: Duration = Duration::from_mins(2);

/// Runs a program until the end of its input.
const UNTIL_THE_END: &str = r#"
"$@" </dev/null >/dev/null 2>&1 & program=$!
read -r end
kill -INT "$program"; wait "$program"
"#;

/// Runs the server each time it is told to, and removes the folder at the end of its input. The arguments are the
/// folder and the server's command line.
const WATCHER: &str = r#"
folder=$1; shift; server=
while read -r command; do
    case $command in
        start) "$@" </dev/null >>"$folder/log" 2>&1 & server=$! ;;
        *) kill "-$command" "$server"; wait "$server" ;;
    esac
    echo "$server"
done
[ -z "$server" ] || { kill -QUIT "$server"; wait "$server"; }
cd /; rm -rf "$folder"
"#;

/// A database that only one test uses.
#[derive(Debug)]
pub struct Database {
    name: String,
    url: String,
    /// The server that outlives the test, from which the database is to be removed.
    foreign: Option<String>,
}

/// A database of its own for a test, on the process's private server.
///
/// Without a server program it prints how to get one and returns `None`: the test ends there.
///
/// # Panics
/// If there is no server program and `CI` is set, or if the server does not start.
#[must_use]
pub fn database() -> Option<Database> {
    static SERVER: OnceLock<Option<Server>> = OnceLock::new();
    if let Ok(url) = std::env::var("BATCH_TEST_POSTGRES") {
        let mut database = create(&url);
        database.foreign = Some(url);
        return Some(database);
    }
    let server = SERVER.get_or_init(|| Server::start(&Options::default()));
    server.as_ref().map(Server::database)
}

/// Creates a database on that server.
fn create(url: &str) -> Database {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    // Two creations at once would wait for each other's checkpoint.
    static ONE: Mutex<()> = Mutex::new(());
    let name = format!("batch_test_{}_{}", std::process::id(), NUMBER.fetch_add(1, Relaxed));
    let one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    let session = Session::connect(&Postgres::at(url), "batch tests").unwrap();
    session.batch_execute(&format!("CREATE DATABASE {name} TEMPLATE template0")).unwrap();
    drop(one);
    let (server, query) = url.split_once('?').map_or((url, None), |(server, query)| (server, Some(query)));
    let authority = server.find("://").map_or(0, |at| at + 3);
    let end = server[authority..].find('/').map_or(server.len(), |at| authority + at);
    let query = query.map(|query| format!("?{query}")).unwrap_or_default();
    Database { url: format!("{}/{name}{query}", &server[..end]), name, foreign: None }
}

impl Database {
    /// The URL of the database.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The URL with one more option, such as `schema=batch`.
    #[must_use]
    pub fn url_with(&self, option: &str) -> String {
        let mark = if self.url.contains('?') { '&' } else { '?' };
        format!("{}{mark}{option}", self.url)
    }

    /// A new connection to it.
    ///
    /// # Panics
    /// If the server refuses.
    #[must_use]
    pub fn connect(&self) -> Session {
        Session::connect(&Postgres::at(&self.url), "batch test").unwrap()
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        if let Some(url) = &self.foreign
            && let Ok(session) = Session::connect(&Postgres::at(url), "batch tests")
        {
            let _ = session.batch_execute(&format!("DROP DATABASE {} WITH (FORCE)", self.name));
        }
    }
}

/// How a server is started.
#[derive(Debug, Clone)]
pub struct Options {
    /// Whether commits survive a crash of the machine; not needed for a killed server.
    pub fsync: bool,
    /// The maximum number of connections.
    pub max_connections: u32,
    /// More settings, as in `postgresql.conf`.
    pub settings: Vec<(&'static str, String)>,
    /// The lines of `pg_hba.conf`; by default everybody is let in.
    pub hba: Option<&'static str>,
    /// More files in the folder of its data, such as certificates.
    pub files: Vec<(&'static str, Vec<u8>)>,
}

impl Default for Options {
    fn default() -> Self {
        Self { fsync: false, max_connections: 200, settings: Vec::new(), hba: None, files: Vec::new() }
    }
}

/// A private server.
#[derive(Debug)]
pub struct Server {
    port: u16,
    folder: PathBuf,
    watcher: Watcher,
}

impl Server {
    /// Starts a server on a free port, in a folder of its own; returns `None` after a line of advice if there is no
    /// program.
    ///
    /// # Panics
    /// If there is no server program and `CI` is set, or if the server does not start.
    #[must_use]
    pub fn start(options: &Options) -> Option<Self> {
        let Some(programs) = programs() else {
            missing::leave_out(
                "there is no PostgreSQL",
                "apt-get install postgresql, or set BATCH_TEST_POSTGRES",
            );
            return None;
        };
        let folder = tempfile::Builder::new().prefix("batch-postgres-").tempdir().unwrap().keep();
        let user = unprivileged();
        if let Some((uid, gid)) = user {
            chown(&folder, Some(uid), Some(gid)).unwrap();
        }
        let run = |program: &Path| as_user(program, user, &folder);
        let data = folder.join("data");
        let mut initdb = run(&programs.join("initdb"));
        initdb.args(["--no-sync", "-A", "trust", "-U", "batch", "-E", "UTF8", "--locale=C", "-D"]);
        let made = initdb.arg(&data).output().unwrap();
        assert!(made.status.success(), "initdb: {}", String::from_utf8_lossy(&made.stderr));
        if let Some(lines) = options.hba {
            std::fs::write(data.join("pg_hba.conf"), lines).unwrap();
        }
        for (name, content) in &options.files {
            let file = data.join(name);
            std::fs::write(&file, content).unwrap();
            std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
            if let Some((uid, gid)) = user {
                chown(&file, Some(uid), Some(gid)).unwrap();
            }
        }
        let port = free_port();
        let mut watcher = run(Path::new("/bin/sh"));
        watcher.args(["-c", WATCHER, "watcher"]).arg(&folder).arg(programs.join("postgres"));
        watcher.arg("-D").arg(&data).arg("-k").arg(&folder).args([
            "-h",
            "127.0.0.1",
            "-p",
            &port.to_string(),
        ]);
        for (name, value) in settings(options) {
            watcher.arg("-c").arg(format!("{name}={value}"));
        }
        let server = Self { port, folder, watcher: Watcher::spawn(watcher) };
        server.restart();
        Some(server)
    }

    /// The URL of the database that every server has.
    #[must_use]
    pub fn url(&self) -> String {
        format!("postgres://batch@127.0.0.1:{}/postgres", self.port)
    }

    /// The port that it listens to on 127.0.0.1.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Its folder, which holds its socket, its `data` and its `log`.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Returns the log of the server.
    #[must_use]
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }

    /// Creates a database.
    ///
    /// # Panics
    /// If the server refuses.
    #[must_use]
    pub fn database(&self) -> Database {
        create(&self.url())
    }

    /// Starts it again after it was stopped or killed, and waits until it accepts connections.
    ///
    /// # Panics
    /// If it does not.
    pub fn restart(&self) {
        let deadline = Instant::now() + STARTING;
        let mut process = self.command("start");
        loop {
            let Err(refused) = Session::connect(&Postgres::at(self.url()), "batch tests") else { return };
            assert!(Instant::now() < deadline, "the server does not start: {refused}\n{}", self.log());
            std::thread::sleep(Duration::from_millis(20));
            // After `kill -9`, the backends of the server live on for a moment, and it does not start while they run.
            if has_ended(process) {
                std::thread::sleep(Duration::from_millis(200));
                process = self.command("start");
            }
        }
    }

    /// Stops it at once, without a checkpoint: it recovers at the next start.
    pub fn stop_immediate(&self) {
        self.command("QUIT");
    }

    /// Stops it in order, after it has ended its connections.
    pub fn stop(&self) {
        self.command("INT");
    }

    /// Kills it.
    pub fn kill_9(&self) {
        self.command("KILL");
    }

    fn command(&self, command: &str) -> u32 {
        self.watcher.command(command)
    }
}

/// Returns whether a process is known to have ended. The shell that started it may not have waited for it yet.
fn has_ended(process: u32) -> bool {
    match std::fs::read_to_string(format!("/proc/{process}/stat")) {
        Ok(stat) => stat.rsplit(')').next().is_some_and(|rest| rest.trim_start().starts_with('Z')),
        Err(_) => Path::new("/proc/self").exists(),
    }
}

/// A pgbouncer in front of a server, in transaction mode with few connections: two transactions of one client may run
/// on different connections.
#[derive(Debug)]
pub struct Pooler {
    port: u16,
    watcher: Child,
}

impl Pooler {
    /// Starts pgbouncer, if there is one.
    ///
    /// # Panics
    /// If it does not start.
    #[must_use]
    pub fn in_front_of(server: &Server) -> Option<Self> {
        let program = Path::new("/usr/sbin/pgbouncer");
        if !program.exists() {
            missing::leave_out("there is no pgbouncer", "apt-get install pgbouncer");
            return None;
        }
        let port = free_port();
        let folder = server.folder();
        let configuration = format!(
            "[databases]\n* = host=127.0.0.1 port={}\n\
             [pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\n\
             auth_type = trust\nauth_file = {}\npool_mode = transaction\ndefault_pool_size = 3\n",
            server.port(),
            folder.join("users").display()
        );
        std::fs::write(folder.join("users"), "\"batch\" \"\"\n").unwrap();
        std::fs::write(folder.join("pgbouncer.ini"), configuration).unwrap();
        let mut watcher = as_user(Path::new("/bin/sh"), unprivileged(), folder);
        watcher.args(["-c", UNTIL_THE_END, "watcher"]).arg(program).arg(folder.join("pgbouncer.ini"));
        watcher.process_group(0).stdin(Stdio::piped());
        let pooler = Self { port, watcher: watcher.spawn().unwrap() };
        let deadline = Instant::now() + STARTING;
        let url = pooler.url(&server.url());
        while let Err(refused) = Session::connect(&Postgres::at(&url), "batch tests") {
            assert!(Instant::now() < deadline, "pgbouncer does not start: {refused}");
            std::thread::sleep(Duration::from_millis(20));
        }
        Some(pooler)
    }

    /// That URL, changed so that its connections go through pgbouncer. Statements are not prepared, because pgbouncer
    /// before version 1.21 cannot do that.
    ///
    /// # Panics
    /// If the URL is not one of a server of the tests.
    #[must_use]
    pub fn url(&self, url: &str) -> String {
        let (server, database) = url.rsplit_once('/').unwrap();
        let (server, _) = server.rsplit_once(':').unwrap();
        format!("{server}:{}/{database}?statements=unnamed", self.port)
    }
}

impl Drop for Pooler {
    fn drop(&mut self) {
        drop(self.watcher.stdin.take());
        let _ = self.watcher.wait();
    }
}

fn settings(options: &Options) -> Vec<(&'static str, String)> {
    let switch = if options.fsync { "on" } else { "off" };
    let mut settings = vec![
        ("fsync", switch.to_owned()),
        ("full_page_writes", switch.to_owned()),
        ("max_connections", options.max_connections.to_string()),
        ("shared_buffers", "32MB".to_owned()),
    ];
    settings.extend(options.settings.iter().cloned());
    settings
}

/// The folder of the newest server's programs: Debian's, or the one on the search path.
fn programs() -> Option<PathBuf> {
    let debian = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut versions: Vec<(u32, PathBuf)> = debian
        .filter_map(|entry| Some((entry.file_name().to_str()?.parse().ok()?, entry.path().join("bin"))))
        .collect();
    versions.sort();
    let path = std::env::var_os("PATH").unwrap_or_default();
    let newest_first = versions.into_iter().rev().map(|(_, folder)| folder);
    newest_first
        .chain(std::env::split_paths(&path))
        .find(|folder| folder.join("postgres").is_file() && folder.join("initdb").is_file())
}

/// The user and group to run a server as, because `PostgreSQL` refuses to run as root.
fn unprivileged() -> Option<(u32, u32)> {
    let folder = tempfile::tempdir().unwrap();
    let owner = std::os::unix::fs::MetadataExt::uid(&folder.path().metadata().unwrap());
    if owner != 0 {
        return None;
    }
    let users = std::fs::read_to_string("/etc/passwd").unwrap();
    let find = |name: &str| {
        let fields: Vec<&str> =
            users.lines().map(|line| line.split(':').collect::<Vec<_>>()).find(|fields| fields[0] == name)?;
        Some((fields.get(2)?.parse().ok()?, fields.get(3)?.parse().ok()?))
    };
    Some(find("postgres").or_else(|| find("nobody")).expect("a user who is not root"))
}

fn as_user(program: &Path, user: Option<(u32, u32)>, folder: &Path) -> Command {
    let mut command = Command::new(program);
    command.current_dir(folder).env_remove("PGDATA").env("LC_ALL", "C");
    if let Some((uid, gid)) = user {
        command.uid(uid).gid(gid);
    }
    command
}
