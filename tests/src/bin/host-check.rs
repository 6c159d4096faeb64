//! `host-check URL`: runs the scenarios that every host must pass against a deployment.

use std::io::Write as _;
use std::process::ExitCode;

use clap::Parser;
use plausible_mcp_tests::origin::Origin;
use plausible_mcp_tests::scenarios::{self, Need, Outcome};
use plausible_mcp_tests::site::Site;

/// Checks a deployment of plausible-mcp from outside.
///
/// Credentials come from the environment: PLAUSIBLE_API_KEY lets it call the tools at /mcp, ADMIN_TOKEN lets it ask
/// what the operator may ask. The check registers one client and asks for consent; it changes nothing else.
#[derive(Parser)]
#[command(name = "host-check", max_term_width = 100)]
struct Arguments {
    /// Where the deployment is: its PUBLIC_URL
    url: String,
    /// The site to ask about [default: PLAUSIBLE_DEFAULT_SITE_ID of the deployment]
    #[arg(long, value_name = "SITE_ID")]
    site: Option<String>,
    /// Sign in with this address; only where Access is the simulated one of `plausible-mcp demo`
    #[arg(long, value_name = "EMAIL")]
    email: Option<String>,
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let Some(origin) = Origin::of(&arguments.url) else {
        eprintln!("error: {} is not an http or https URL", arguments.url);
        return ExitCode::from(2);
    };
    let secret = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
    let site = Site {
        site_id: arguments.site,
        email: arguments.email,
        plausible_key: secret("PLAUSIBLE_API_KEY"),
        admin_token: secret("ADMIN_TOKEN"),
        ..Site::at(origin)
    };
    // A scenario's panic is its finding, printed below.
    std::panic::set_hook(Box::new(|_| {}));
    if check(&site).await { ExitCode::SUCCESS } else { ExitCode::from(1) }
}

/// Prints a line per scenario; whether none failed.
async fn check(site: &Site) -> bool {
    let signs_in = site.signs_in().await;
    let (mut passed, mut failed, mut skipped) = (0, 0, 0);
    for scenario in scenarios::all() {
        let line = match scenario.run(site, signs_in).await {
            Outcome::Passed => {
                passed += 1;
                format!("ok       {}", scenario.name)
            }
            Outcome::Failed(cause) => {
                failed += 1;
                format!("FAILED   {}: {cause}", scenario.name)
            }
            Outcome::Skipped => {
                skipped += 1;
                format!("skipped  {}: {}", scenario.name, lacking(scenario.need))
            }
        };
        say(&line);
    }
    say(&format!("{passed} passed, {failed} failed, {skipped} skipped"));
    failed == 0 && passed > 0
}

fn lacking(need: Need) -> &'static str {
    match need {
        Need::Nothing => "it needs nothing",
        Need::PlausibleKey => "PLAUSIBLE_API_KEY is not set",
        Need::SignIn | Need::Registration => "there is no authorization server",
        Need::SimulatedAccess => "no --email to sign in with, or no authorization server",
        Need::AdminToken => "ADMIN_TOKEN is not set",
        Need::AdminTokenAndSimulatedAccess => {
            "ADMIN_TOKEN is not set, or there is no --email to sign in with, or no authorization server"
        }
    }
}

fn say(line: &str) {
    // Nobody reads standard output when it is closed.
    let _ = writeln!(std::io::stdout(), "{line}");
}
