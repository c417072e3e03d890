//! `/console/overview/`: the volume and the success of the last days, as charts with their numbers beneath.

mod chart;

use askama::Template;
use payout_core::payout::Status;
use payout_core::ports::Clock;
use payout_core::stats::{Days, GroupKey, Grouping, Stats, Summary};
use payout_core::usecase::ServiceError;
use salvo::{Depot, Request, handler};

use self::chart::{Bar, Chart};
use super::format::{amount, count};
use super::html::Reply;
use super::shell::{Place, Shell};
use super::words;
use crate::http::console::query::parameter;
use crate::http::middleware::context::Context;
use crate::http::problem::Problem;

/// The periods to choose from, in days.
const PERIODS: [u16; 4] = [7, 30, 90, 366];

/// A row of a table: a name and its numbers.
struct Line {
    name: String,
    tone: &'static str,
    payouts: String,
    sums: Vec<String>,
    half: String,
    most: String,
}

#[derive(Template)]
#[template(path = "overview/overview.html")]
struct OverviewPage {
    shell: Shell,
    period: u16,
    total: Line,
    success: Option<String>,
    backlog: Option<String>,
    days: Vec<Line>,
    chart: Chart,
    statuses: Vec<Line>,
    currencies: Vec<Line>,
    providers: Vec<Line>,
}

impl Line {
    fn of(name: impl Into<String>, summary: &Summary) -> Self {
        let times = &summary.time_to_pay;
        let seconds = |share| times.quantile(share).map_or_else(|| "–".to_owned(), in_words);
        Self {
            name: name.into(),
            tone: "",
            payouts: count(summary.payouts()),
            sums: summary
                .sums()
                .map(|sum| amount(sum.amount, sum.currency))
                .collect(),
            half: seconds(0.5),
            most: seconds(0.95),
        }
    }
}

/// Returns a number of seconds in words.
fn in_words(seconds: f64) -> String {
    match seconds {
        ..60.0 => format!("{seconds:.1} s"),
        60.0..3_600.0 => format!("{:.0} min", seconds / 60.0),
        3_600.0..172_800.0 => format!("{:.0} h", seconds / 3_600.0),
        _ => format!("{:.0} days", seconds / 86_400.0),
    }
}

/// Shows the page.
#[handler]
pub(super) async fn show(request: &mut Request, depot: &mut Depot) -> Result<Reply, Problem> {
    let context = Context::of(depot)?;
    let query = request.uri().query().unwrap_or_default();
    let asked = parameter(query, "days").and_then(|days| days.parse().ok());
    let period = asked.filter(|days| PERIODS.contains(days)).unwrap_or(30);
    let days = Days::until(context.app_state.system.now().date_naive(), period);
    let stats = context.stats()?;
    let ask = |by| async move { stats.summarize(days, Some(by)).await.map_err(ServiceError::from) };
    let by_day = ask(Grouping::Day).await?;
    let by_status = ask(Grouping::Status).await?;
    let by_currency = ask(Grouping::Currency).await?;
    let by_provider = ask(Grouping::Provider).await?;
    let lines = |stats: &Stats| {
        stats
            .groups
            .iter()
            .map(|group| Line::of(name(&group.key), &group.summary))
            .collect()
    };
    let statuses = by_status.groups.iter().map(|group| {
        let tone = match &group.key {
            GroupKey::Status(status) => words::tone(*status, false),
            GroupKey::Day(_) | GroupKey::Currency(_) | GroupKey::Provider(_) => "",
        };
        Line {
            tone,
            ..Line::of(name(&group.key), &group.summary)
        }
    });
    let page = OverviewPage {
        shell: Shell::of(request, depot, Place::Overview, "Overview")?,
        period,
        total: Line::of("All", &by_day.total),
        success: success(&by_status),
        backlog: context.app_state.health.census().map(|census| {
            let open = [Status::Pending, Status::Processing, Status::AwaitingApproval];
            let counts = census
                .counts
                .iter()
                .filter(|counted| open.contains(&counted.status));
            count(counts.map(|counted| counted.count).sum())
        }),
        chart: Chart::of(days, bars(&by_day)),
        days: by_day
            .groups
            .iter()
            .rev()
            .map(|group| Line::of(name(&group.key), &group.summary))
            .collect(),
        statuses: statuses.collect(),
        currencies: lines(&by_currency),
        providers: lines(&by_provider),
    };
    Reply::page(&page)
}

fn name(key: &GroupKey) -> String {
    match key {
        GroupKey::Day(day) => day.format("%-d %b %Y").to_string(),
        GroupKey::Currency(code) => (*code).to_owned(),
        GroupKey::Status(status) => words::status(*status, false).to_owned(),
        GroupKey::Provider(Some(name)) => name.to_string(),
        GroupKey::Provider(None) => "Without a name".to_owned(),
    }
}

/// Returns the share of the payouts that ended paid, of those that ended at all without a person's cancelling.
fn success(by_status: &Stats) -> Option<String> {
    let of = |statuses: &[Status]| -> u64 {
        let groups = by_status.groups.iter();
        let chosen = groups.filter(|group| match &group.key {
            GroupKey::Status(status) => statuses.contains(status),
            GroupKey::Day(_) | GroupKey::Currency(_) | GroupKey::Provider(_) => false,
        });
        chosen.map(|group| group.summary.payouts()).sum()
    };
    let paid = of(&[Status::Completed]);
    let ended = paid + of(&[Status::Failed, Status::Returned]);
    (ended > 0).then(|| format!("{:.1} %", paid as f64 * 100.0 / ended as f64))
}

fn bars(by_day: &Stats) -> Vec<Bar> {
    let groups = by_day.groups.iter();
    let bars = groups.filter_map(|group| match &group.key {
        GroupKey::Day(day) => Some(Bar {
            day: *day,
            payouts: group.summary.payouts(),
            paid: group.summary.time_to_pay.count(),
        }),
        GroupKey::Currency(_) | GroupKey::Status(_) | GroupKey::Provider(_) => None,
    });
    bars.collect()
}
