//! The state: how many records, and whether they are whole.

use crate::cli::output::{Screen, count};
use crate::store::StoreReport;

pub(super) fn store(screen: &Screen, report: &StoreReport) -> String {
    let table = screen.table(
        ["BOOK", "RECORDS"],
        report.books.iter().map(|(book, records)| [book.clone().into(), records.to_string().into()]),
    );
    let faults = if report.faults.is_empty() {
        "no fault found".to_owned()
    } else {
        format!("{}:\n{}", count(report.faults.len() as u64, "fault", "faults"), report.faults.join("\n"))
    };
    format!("{table}\n\nschema {}, {} KiB on disk; {faults}", report.schema, report.size_bytes / 1024)
}
