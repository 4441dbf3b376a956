//! Pages of Bitbucket Cloud that say something wrong.

use serde_json::{Value, json};

use crate::simulator::fault::{BadRow, Fault};

/// Spoils the body of a page; `None`: the fault is none of the body.
pub(in crate::simulator) fn spoil(body: &str, fault: &Fault, own_url: &str) -> Option<String> {
    let mut page: Value = serde_json::from_str(body).ok()?;
    let object = page.as_object_mut()?;
    match fault {
        Fault::NextIs(next) => {
            object.insert("next".to_owned(), json!(next));
        }
        Fault::NextIsItself => {
            object.insert("next".to_owned(), json!(own_url));
        }
        Fault::NextIsFirst => {
            let (path, query) = own_url.split_once('?').unwrap_or((own_url, ""));
            let kept: Vec<&str> =
                query.split('&').filter(|pair| !pair.is_empty() && !pair.starts_with("page=")).collect();
            object.insert("next".to_owned(), json!(format!("{path}?{}&page=1", kept.join("&")).replace("?&", "?")));
        }
        Fault::SizeMissing => {
            object.remove("size");
        }
        Fault::SizeIs(size) => {
            object.insert("size".to_owned(), json!(size));
        }
        Fault::HugeBody { bytes } => {
            object.insert("filling".to_owned(), json!("x".repeat(*bytes)));
        }
        Fault::BadRow { row, how } => {
            let row = object.get_mut("values")?.as_array_mut()?.get_mut(*row)?;
            match (how, row.as_object_mut()) {
                (BadRow::NoUuid, Some(fields)) => {
                    // A pull request has none; its number is what names it.
                    for key in ["uuid", "id", "hash"] {
                        fields.remove(key);
                    }
                }
                (BadRow::WrongTypes, Some(fields)) => {
                    for key in ["created_on", "updated_on", "date", "slug", "full_name", "state"] {
                        if fields.contains_key(key) {
                            fields.insert(key.to_owned(), json!(17));
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
