//! A secret that is typed into a form is in no byte of what the page, the log and the repository hold.

use std::fs;

use crate::world::World;

const SECRET: &str = "planted-4f1c-secret";

#[test]
fn a_secret_is_nowhere() {
    let world = World::new();
    let server = world.serve("--log-folder logs");
    let mut seen = Vec::new();
    let mut post = |path: &str, form: String| {
        let answer = server.post(path, &form);
        seen.push((format!("POST {path} {}", form.replace(SECRET, "***")), answer.bytes()));
        answer
    };
    let start = "/jobs/send_orders/start";
    // A right form, one with a mistake in another field, one with the secret twice, and a check.
    let sent = post(start, format!("p.day=2026-11-28&p.key={SECRET}&do=start"));
    post(start, format!("p.day=tomorrow&p.key={SECRET}&do=start"));
    post(start, format!("p.day=2026-11-27&p.key={SECRET}&p.key={SECRET}&do=start"));
    post(start, format!("p.day=2026-11-26&p.key={SECRET}&do=check"));
    let sent: i64 = sent.location().rsplit('/').next().unwrap().parse().unwrap();
    world.wait_until(sent, "COMPLETED");
    // One that fails and is restarted with the secret.
    assert!(
        !world
            .command("run send_orders --day 2026-11-25")
            .env("BATCH_PARAM_KEY", "abc")
            .output()
            .unwrap()
            .status
            .success()
    );
    let failed = world.wait_for("that failed", |it| it["status"] == "FAILED");
    let needs = post(&format!("/executions/{failed}/restart"), String::new());
    assert_eq!(needs.status, 400, "a secret is never stored: {needs:?}");
    let restarted = post(&format!("/executions/{failed}/restart"), format!("p.key={SECRET}"));
    let restarted: i64 = restarted.location().rsplit('/').next().unwrap().parse().unwrap();
    world.wait_until(restarted, "COMPLETED");

    for id in [sent, failed, restarted] {
        for view in
            ["", ".json", "/graph", "/skipped", "/skipped.json", "/skipped.csv", "/time", "/log", "/restart"]
        {
            let path = format!("/executions/{id}{view}");
            seen.push((path.clone(), server.get(&path).bytes()));
        }
    }
    for path in [
        "/",
        "/jobs.json",
        "/executions",
        "/executions.json",
        "/jobs/send_orders/start",
        "/jobs/send_orders/time",
    ] {
        seen.push((path.to_owned(), server.get(path).bytes()));
    }
    seen.push(("what the server has said".to_owned(), server.end()));
    for folder in ["logs", "."] {
        for entry in fs::read_dir(world.path(folder)).unwrap().map(Result::unwrap) {
            if entry.file_type().unwrap().is_file() {
                let bytes = fs::read(entry.path()).unwrap();
                seen.push((entry.path().display().to_string(), String::from_utf8_lossy(&bytes).into_owned()));
            }
        }
    }
    assert!(seen.len() > 40 && seen.iter().any(|(of, _)| of.contains("logs/send_orders-")), "{}", seen.len());
    for (of, bytes) in &seen {
        assert!(!bytes.contains(SECRET), "{of}: {bytes}");
    }
}
