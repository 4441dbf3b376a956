//! Pages of a Data Center that say something wrong.

use serde_json::{Value, json};

use crate::simulator::fault::{BadRow, Fault};

/// Spoils the body of a page; `None`: the fault is none of the body.
pub(in crate::simulator) fn spoil(body: &str, fault: &Fault) -> Option<String> {
    let mut page: Value = serde_json::from_str(body).ok()?;
    let object = page.as_object_mut()?;
    let mut set = |key: &str, value: Value| {
        object.insert(key.to_owned(), value);
    };
    match fault {
        Fault::EmptyPage => {
            let start = page.get("start")?.clone();
            return Some(
                json!({"size": 0, "limit": page["limit"], "isLastPage": false, "values": [], "start": start,
                    "nextPageStart": start})
                .to_string(),
            );
        }
        Fault::NextIs(next) => {
            set("isLastPage", json!(false));
            set("nextPageStart", next.parse::<i64>().map_or_else(|_| json!(next), |next| json!(next)));
        }
        Fault::NextIsItself => {
            let start = object.get("start")?.clone();
            object.insert("isLastPage".to_owned(), json!(false));
            object.insert("nextPageStart".to_owned(), start);
        }
        Fault::NextIsFirst => {
            set("isLastPage", json!(false));
            set("nextPageStart", json!(0));
        }
        Fault::SizeMissing => {
            object.remove("size");
        }
        Fault::SizeIs(size) => set("size", json!(size)),
        Fault::HugeBody { bytes } => set("filling", json!("x".repeat(*bytes))),
        Fault::BadRow { row, how } => {
            let row = object.get_mut("values")?.as_array_mut()?.get_mut(*row)?;
            match (how, row.as_object_mut()) {
                (BadRow::NoUuid, Some(fields)) => {
                    fields.remove("id");
                }
                (BadRow::WrongTypes, Some(fields)) => {
                    for key in ["slug", "state", "project", "displayId", "author"] {
                        if fields.contains_key(key) {
                            fields.insert(key.to_owned(), json!(17));
                        }
                    }
                    for key in ["createdDate", "updatedDate", "authorTimestamp", "committerTimestamp"] {
                        if fields.contains_key(key) {
                            fields.insert(key.to_owned(), json!({"some": "day"}));
                        }
                    }
                }
                (BadRow::NotAnObject, _) => *row = json!("row"),
                (_, None) => return None,
            }
        }
        _ => return None,
    }
    Some(page.to_string())
}
