//! One change, spliced into the text of one document.

use std::ops::Range;

use serde_json::Value;
use similar::{Algorithm, DiffOp};

use super::layout::{Entry, Item, Layout, Node, Shape};
use super::scalar::{Context, Quotes, inline, string, string_like};
use crate::plan::{Change, FieldChange};

/// Why a change cannot be made.
#[derive(Debug)]
pub(super) struct Refusal {
    /// From 0, within the text.
    pub line_in_part: Option<usize>,
    /// In words.
    pub because: String,
}

impl From<String> for Refusal {
    fn from(because: String) -> Self {
        Self { line_in_part: None, because }
    }
}

/// The text with the change made. What the change asks for must not be there already.
pub(super) fn apply(text: &str, change: &FieldChange) -> Result<String, Refusal> {
    let layout = Layout::read(text)?;
    let style = Style::of(text, &layout.root);
    let present = change.before.as_ref().and_then(Value::as_array);
    let editor = Editor { text, layout: &layout, style, present };
    let mut splices = match &change.change {
        Change::Set { value } => editor.write(&change.path.0, &Wanted::Value(value))?,
        Change::Add { values } => editor.write(&change.path.0, &Wanted::More(values))?,
        Change::Remove => editor.remove(&change.path.0)?,
    };
    splices.sort_by_key(|splice| splice.at.start);
    let mut out = String::with_capacity(text.len() + 64);
    let mut from = 0;
    for Splice { at, text: new } in &splices {
        out.push_str(text.get(from..at.start).ok_or_else(|| "its layout is not understood".to_owned())?);
        out.push_str(new);
        from = at.end;
    }
    out.push_str(text.get(from..).ok_or_else(|| "its layout is not understood".to_owned())?);
    Ok(out)
}

struct Splice {
    at: Range<usize>,
    text: String,
}

fn splice(at: Range<usize>, text: impl Into<String>) -> Splice {
    Splice { at, text: text.into() }
}

/// What shall stand at a path.
enum Wanted<'a> {
    /// This value.
    Value(&'a Value),
    /// These elements at the end of the list.
    More(&'a [Value]),
}

/// How the document is written.
struct Style {
    newline: &'static str,
    /// Columns a nested map stands further in.
    step: usize,
    /// Columns a dash stands further in than its key.
    dash: usize,
}

impl Style {
    fn of(text: &str, root: &Node) -> Self {
        let newline = if text.contains("\r\n") { "\r\n" } else { "\n" };
        let (mut step, mut dash) = (None, None);
        observe(text, root, &mut step, &mut dash);
        let step = step.unwrap_or(2);
        Self { newline, step, dash: dash.unwrap_or(step) }
    }
}

/// The first nested map and the first list decide.
fn observe(text: &str, node: &Node, step: &mut Option<usize>, dash: &mut Option<usize>) {
    let Shape::Map { flow: false, entries } = &node.shape else { return };
    for entry in entries {
        let column = column(text, entry.start);
        match &entry.value.shape {
            Shape::Map { flow: false, entries } => {
                if let Some(first) = entries.first() {
                    step.get_or_insert(self::column(text, first.start).saturating_sub(column).max(1));
                }
            }
            Shape::List { flow: false, items } => {
                if let Some(first) = items.first() {
                    dash.get_or_insert(self::column(text, first.start).saturating_sub(column));
                }
            }
            _ => {}
        }
        observe(text, &entry.value, step, dash);
    }
}

fn line_start(text: &str, at: usize) -> usize {
    text[..at].rfind('\n').map_or(0, |newline| newline + 1)
}

fn column(text: &str, at: usize) -> usize {
    text[line_start(text, at)..at].chars().filter(|&c| c != '\u{FEFF}').count()
}

/// Where a map stands.
#[derive(Clone, Copy)]
struct Surroundings {
    context: Context,
}

struct Editor<'a> {
    text: &'a str,
    layout: &'a Layout,
    style: Style,
    /// The list that is there, where the field is one.
    present: Option<&'a Vec<Value>>,
}

impl Editor<'_> {
    fn refuse<T>(&self, at: usize, because: impl Into<String>) -> Result<T, Refusal> {
        Err(Refusal { line_in_part: Some(self.text[..at].matches('\n').count()), because: because.into() })
    }

    /// Goes down the path as far as it is there, then replaces, fills or inserts.
    fn write(&self, path: &[String], wanted: &Wanted<'_>) -> Result<Vec<Splice>, Refusal> {
        let mut map = &self.layout.root;
        let mut holder: Option<&Entry> = None;
        let mut around = Surroundings { context: Context::Block };
        for (depth, key) in path.iter().enumerate() {
            let Shape::Map { flow, entries } = &map.shape else { return self.refuse(map.range.start, "not a map") };
            if *flow && around.context == Context::Block {
                around.context = if self.is_json(entries) { Context::Json } else { Context::Flow };
            }
            let Some(entry) = self.entry(entries, key)? else {
                return self.insert(map, holder, around, &path[depth..], wanted);
            };
            if depth + 1 == path.len() {
                return self.change(entry, around, wanted);
            }
            match &entry.value.shape {
                Shape::Map { .. } => {}
                _ if self.is_null(&entry.value) => return self.fill(entry, around, &path[depth + 1..], wanted),
                Shape::Alias => {
                    return self
                        .refuse(entry.start, format!("`{key}` is an alias; what it stands for is written elsewhere"));
                }
                Shape::Tagged => return self.refuse(entry.start, format!("`{key}` carries a tag")),
                _ => return self.refuse(entry.start, format!("`{key}` is not a map")),
            }
            holder = Some(entry);
            map = &entry.value;
        }
        self.refuse(0, "the root of a document is not a field")
    }

    fn entry<'e>(&self, entries: &'e [Entry], key: &str) -> Result<Option<&'e Entry>, Refusal> {
        let mut found = entries.iter().filter(|entry| entry.key.as_deref() == Some(key));
        let first = found.next();
        if let Some(entry) = first
            && entry.is_explicit
        {
            return self.refuse(entry.start, "its key is written with `?`");
        }
        if let Some(second) = found.next() {
            return self.refuse(second.start, format!("the key `{key}` stands there twice"));
        }
        Ok(first)
    }

    /// Keys in double quotes, all of them: JSON.
    fn is_json(&self, entries: &[Entry]) -> bool {
        !entries.is_empty() && entries.iter().all(|entry| self.text[entry.start..].starts_with('"'))
    }

    fn is_null(&self, node: &Node) -> bool {
        match node.shape {
            Shape::Empty => true,
            Shape::Scalar(Quotes::None) => matches!(&self.text[node.range.clone()], "~" | "null" | "Null" | "NULL"),
            _ => false,
        }
    }

    /// Behind the line in which `end` lies, and whether that line is ended by a line break. Only spaces
    /// and a comment may follow `end` on it.
    fn line_behind(&self, end: usize) -> Result<(usize, bool), Refusal> {
        if self.text[..end].ends_with('\n') {
            return Ok((end, true));
        }
        let rest = &self.text[end..];
        let (line, ended) = match rest.find('\n') {
            Some(length) => (&rest[..length], true),
            None => (rest, false),
        };
        let trimmed = line.trim();
        if !(trimmed.is_empty() || trimmed.starts_with('#')) {
            return self.refuse(end, "something else stands on its line");
        }
        Ok((end + line.len() + usize::from(ended), ended))
    }

    /// Whole lines behind the line of `end`.
    fn lines_behind(&self, end: usize, lines: &[String]) -> Result<Splice, Refusal> {
        let newline = self.style.newline;
        let (at, ended) = self.line_behind(end)?;
        let body = lines.join(newline);
        Ok(splice(at..at, if ended { format!("{body}{newline}") } else { format!("{newline}{body}") }))
    }

    /// A key that is not there yet, at the end of its map.
    fn insert(
        &self,
        map: &Node,
        holder: Option<&Entry>,
        around: Surroundings,
        path: &[String],
        wanted: &Wanted<'_>,
    ) -> Result<Vec<Splice>, Refusal> {
        let Shape::Map { flow, entries } = &map.shape else { return self.refuse(map.range.start, "not a map") };
        let Some(last) = entries.last() else { return self.insert_into_empty(map, holder, around, path, wanted) };
        if *flow {
            let text = self.flow_entry(path, wanted, around.context);
            return self.append_in_flow(last.start, last.end, last.comma_end, &[text]);
        }
        if last.is_explicit {
            return self.refuse(last.start, "a key is written with `?`");
        }
        let indent = column(self.text, entries[0].start);
        Ok(vec![self.lines_behind(last.end, &self.block_lines(path, wanted, indent))?])
    }

    /// `{}`: becomes a block map where it stands in one.
    fn insert_into_empty(
        &self,
        map: &Node,
        holder: Option<&Entry>,
        around: Surroundings,
        path: &[String],
        wanted: &Wanted<'_>,
    ) -> Result<Vec<Splice>, Refusal> {
        let inside = self.text[map.range.clone()].trim_start_matches('{').trim_end_matches('}');
        if !inside.trim().is_empty() {
            return self.refuse(map.range.start, "a comment stands inside its braces");
        }
        match holder {
            Some(entry) if self.in_block(entry) && !map.has_anchor => {
                let indent = column(self.text, entry.start) + self.style.step;
                Ok(vec![
                    splice(entry.colon_end..map.range.end, ""),
                    self.lines_behind(map.range.end, &self.block_lines(path, wanted, indent))?,
                ])
            }
            _ => {
                let text = self.flow_entry(path, wanted, around.context);
                Ok(vec![splice(map.range.start + 1..map.range.end - 1, text)])
            }
        }
    }

    /// Whether an entry belongs to a block map: nothing but spaces before its key.
    fn in_block(&self, entry: &Entry) -> bool {
        let fits = |node: &Node| matches!(&node.shape, Shape::Map { flow: false, entries } if entries.iter().any(|other| other.start == entry.start));
        fn any(node: &Node, fits: &dyn Fn(&Node) -> bool) -> bool {
            fits(node)
                || matches!(&node.shape, Shape::Map { entries, .. } if entries.iter().any(|entry| any(&entry.value, fits)))
        }
        any(&self.layout.root, &fits)
    }

    /// `key:` with nothing (or null) behind it becomes a map.
    fn fill(
        &self,
        entry: &Entry,
        around: Surroundings,
        path: &[String],
        wanted: &Wanted<'_>,
    ) -> Result<Vec<Splice>, Refusal> {
        if entry.value.has_anchor {
            return self.refuse(entry.start, "an anchor stands on an empty value");
        }
        if around.context != Context::Block {
            let text = format!(" {{{}}}", self.flow_entry(path, wanted, around.context));
            return Ok(vec![splice(entry.colon_end..entry.value.range.end.max(entry.colon_end), text)]);
        }
        let indent = column(self.text, entry.start) + self.style.step;
        self.fill_lines(entry, &self.block_lines(path, wanted, indent))
    }

    /// Lines below `key:`, in place of its null or empty collection.
    fn fill_lines(&self, entry: &Entry, lines: &[String]) -> Result<Vec<Splice>, Refusal> {
        let end = entry.value.range.end.max(entry.colon_end);
        let mut splices = vec![self.lines_behind(end, lines)?];
        if end > entry.colon_end {
            splices.push(splice(entry.colon_end..end, ""));
        }
        Ok(splices)
    }

    /// A field that is there.
    fn change(&self, entry: &Entry, around: Surroundings, wanted: &Wanted<'_>) -> Result<Vec<Splice>, Refusal> {
        let node = &entry.value;
        let in_block = around.context == Context::Block;
        if matches!(node.shape, Shape::Tagged) {
            return self.refuse(entry.start, "it carries a tag");
        }
        if self.is_null(node) && node.has_anchor {
            return self.refuse(entry.start, "an anchor stands on an empty value");
        }
        match (&node.shape, wanted) {
            (Shape::List { flow, items }, Wanted::More(values)) => self.append(entry, *flow, items, values, around),
            (Shape::List { flow, items }, Wanted::Value(Value::Array(values))) => {
                self.rewrite_list(entry, *flow, items, values, around)
            }
            (_, Wanted::More(values)) if self.is_null(node) && in_block => {
                self.fill_lines(entry, &self.list_lines(values, column(self.text, entry.start) + self.style.dash))
            }
            (_, Wanted::Value(Value::Array(values))) if self.is_null(node) && in_block && !values.is_empty() => {
                self.fill_lines(entry, &self.list_lines(values, column(self.text, entry.start) + self.style.dash))
            }
            (_, Wanted::More(_)) if !self.is_null(node) => self.refuse(entry.start, "it is not a list"),
            (_, Wanted::More(values)) => {
                let text = inline(&Value::Array(values.to_vec()), around.context);
                Ok(vec![self.replace_inline(entry, &text)])
            }
            (Shape::Scalar(quotes), Wanted::Value(Value::String(text))) => {
                let quotes = if around.context == Context::Json { Quotes::Double } else { *quotes };
                Ok(vec![self.replace_inline(entry, &string_like(text, quotes, around.context))])
            }
            (Shape::Map { .. } | Shape::List { .. }, Wanted::Value(_)) if node.has_anchor => {
                self.refuse(entry.start, "an anchor stands on it")
            }
            (_, Wanted::Value(value)) => Ok(vec![self.replace_inline(entry, &inline(value, around.context))]),
        }
    }

    /// `end` without line breaks before it, which a block scalar may keep: the line has to end.
    fn behind_text(&self, start: usize, end: usize) -> usize {
        start + self.text[start..end].trim_end().len()
    }

    /// Something on one line in place of the value that is there.
    fn replace_inline(&self, entry: &Entry, text: &str) -> Splice {
        let range = &entry.value.range;
        match entry.value.shape {
            Shape::Empty => splice(entry.colon_end..entry.colon_end, format!(" {text}")),
            Shape::Map { flow: false, .. } | Shape::List { flow: false, .. } => {
                splice(entry.colon_end..self.behind_text(entry.colon_end, range.end), format!(" {text}"))
            }
            _ => {
                // A block scalar that keeps its line breaks ends behind them; one has to stay.
                let body = self.text[range.clone()].trim_end_matches(['\n', '\r']);
                splice(range.start..range.start + body.len(), text)
            }
        }
    }

    fn append(
        &self,
        entry: &Entry,
        flow: bool,
        items: &[Item],
        values: &[Value],
        around: Surroundings,
    ) -> Result<Vec<Splice>, Refusal> {
        let context = if around.context == Context::Json { Context::Json } else { Context::Flow };
        let texts: Vec<String> = values.iter().map(|value| inline(value, context)).collect();
        let node = &entry.value;
        match (flow, items.last()) {
            (true, Some(last)) => self.append_in_flow(last.start, last.end, last.comma_end, &texts),
            (true, None) => {
                let inside = self.text[node.range.clone()].trim_start_matches('[').trim_end_matches(']');
                if !inside.trim().is_empty() {
                    return self.refuse(node.range.start, "a comment stands inside its brackets");
                }
                if values.iter().any(Value::is_object) && around.context == Context::Block && !node.has_anchor {
                    let lines = self.list_lines(values, column(self.text, entry.start) + self.style.dash);
                    return self.fill_lines(entry, &lines);
                }
                Ok(vec![splice(node.range.start + 1..node.range.end - 1, texts.join(", "))])
            }
            (false, Some(last)) => {
                let indent = column(self.text, last.start);
                Ok(vec![self.lines_behind(last.end, &self.list_lines(values, indent))?])
            }
            (false, None) => self.refuse(entry.start, "its layout is not understood"),
        }
    }

    /// Behind the last element of a flow collection, on lines of their own where that one has its own.
    fn append_in_flow(
        &self,
        start: usize,
        end: usize,
        comma_end: Option<usize>,
        texts: &[String],
    ) -> Result<Vec<Splice>, Refusal> {
        let line = line_start(self.text, start);
        let own_line = self.text[line..start].trim().is_empty() && line > 0;
        let behind = comma_end.unwrap_or(end);
        let rest = self.text[behind..].split('\n').next().unwrap_or_default();
        let rest_silent = rest.trim().is_empty() || rest.trim().starts_with('#');
        let has_comma = comma_end.is_some();
        if own_line && rest_silent && self.text[behind..].contains('\n') {
            let indent = &self.text[line..start];
            let newline = self.style.newline;
            let body: Vec<String> = texts.iter().map(|text| format!("{newline}{indent}{text}")).collect();
            let at = behind + rest.trim_end_matches('\r').len();
            let body = body.join(",");
            let body = if has_comma { format!("{body},") } else { body };
            let mut splices = vec![splice(at..at, body)];
            if !has_comma {
                splices.insert(0, splice(end..end, ","));
            }
            return Ok(splices);
        }
        let body = texts.join(", ");
        Ok(vec![match comma_end {
            Some(at) => splice(at..at, format!(" {body},")),
            None => splice(end..end, format!(", {body}")),
        }])
    }

    /// Another list in place of a list: elements both have stay as they are written.
    fn rewrite_list(
        &self,
        entry: &Entry,
        flow: bool,
        items: &[Item],
        values: &[Value],
        around: Surroundings,
    ) -> Result<Vec<Splice>, Refusal> {
        let node = &entry.value;
        let written: Vec<Value> = match self.present {
            // Elements over several lines cannot be read each by itself; what they say is known.
            Some(known) if items.iter().any(|item| item.is_block_collection) && known.len() == items.len() => {
                known.clone()
            }
            _ => items.iter().map(|item| self.item_value(item)).collect::<Result<_, _>>()?,
        };
        let operations = similar::capture_diff_slices(Algorithm::Myers, &hashable(&written), &hashable(values));
        if flow || values.is_empty() {
            let context = if around.context == Context::Json { Context::Json } else { Context::Flow };
            let mut texts = Vec::new();
            for op in &operations {
                match *op {
                    DiffOp::Equal { old_index, len, .. } => {
                        texts.extend(
                            items[old_index..old_index + len]
                                .iter()
                                .map(|item| self.text[item.start..item.end].to_owned()),
                        );
                    }
                    DiffOp::Insert { new_index, new_len, .. } | DiffOp::Replace { new_index, new_len, .. } => {
                        texts.extend(values[new_index..new_index + new_len].iter().map(|value| inline(value, context)));
                    }
                    DiffOp::Delete { .. } => {}
                }
            }
            let text = format!("[{}]", texts.join(", "));
            if !flow && node.has_anchor {
                return self.refuse(entry.start, "an anchor stands on it");
            }
            return Ok(vec![self.replace_inline(entry, &text)]);
        }
        let indent = column(self.text, items.first().map_or(node.range.start, |item| item.start));
        let mut splices = Vec::new();
        for op in &operations {
            let (old, new) = match *op {
                DiffOp::Equal { .. } => continue,
                DiffOp::Delete { old_index, old_len, .. } => (old_index..old_index + old_len, 0..0),
                DiffOp::Insert { old_index, new_index, new_len } => {
                    (old_index..old_index, new_index..new_index + new_len)
                }
                DiffOp::Replace { old_index, old_len, new_index, new_len } => {
                    (old_index..old_index + old_len, new_index..new_index + new_len)
                }
            };
            let lines = self.list_lines(&values[new], indent);
            match items.get(old.clone()).and_then(|gone| Some((gone.first()?, gone.last()?))) {
                Some((first, last)) => splices.push(self.replace_lines(first.start, last.end, &lines)?),
                None if old.start == 0 => {
                    let start = line_start(self.text, items[0].start);
                    let body: String = lines.iter().map(|line| format!("{line}{}", self.style.newline)).collect();
                    splices.push(splice(start..start, body));
                }
                None => splices.push(self.lines_behind(items[old.start - 1].end, &lines)?),
            }
        }
        Ok(splices)
    }

    /// The value of an item, read from its own text.
    fn item_value(&self, item: &Item) -> Result<Value, Refusal> {
        if item.is_block_collection {
            return self.refuse(item.start, "its elements are not on one line");
        }
        let text = &self.text[item.start..item.end];
        let text = text.strip_prefix('-').filter(|rest| rest.starts_with([' ', '\t'])).unwrap_or(text);
        // A flow list around it, since a scalar alone may be read by other rules.
        let parsed = super::documents::parse(text.trim_start());
        match parsed {
            Ok(value) => Ok(super::documents::to_json(&value)),
            Err(_) => self.refuse(item.start, "an element is not understood by itself"),
        }
    }

    /// Whole lines in place of those from `start` to `end`.
    fn replace_lines(&self, start: usize, end: usize, lines: &[String]) -> Result<Splice, Refusal> {
        let newline = self.style.newline;
        let from = line_start(self.text, start);
        if !self.text[from..start].trim().is_empty() {
            return self.refuse(start, "something else stands on its line");
        }
        let (to, ended) = self.line_behind(end)?;
        let body = lines.join(newline);
        if ended {
            let body = if lines.is_empty() { body } else { format!("{body}{newline}") };
            return Ok(splice(from..to, body));
        }
        if !lines.is_empty() {
            return Ok(splice(from..to, body));
        }
        // The file ends without a line break, and shall go on doing so: empty lines before it go as well.
        Ok(splice(self.text[..from].trim_end_matches(['\n', '\r']).len()..to, ""))
    }

    fn remove(&self, path: &[String]) -> Result<Vec<Splice>, Refusal> {
        let mut chain: Vec<(&Node, &Entry)> = Vec::new();
        let mut map = &self.layout.root;
        for key in path {
            let Shape::Map { entries, .. } = &map.shape else {
                return self.refuse(map.range.start, "it lies behind an alias, a tag or something that is no map");
            };
            let Some(entry) = self.entry(entries, key)? else {
                return self.refuse(map.range.start, "it comes from elsewhere (a merge key)");
            };
            chain.push((map, entry));
            map = &entry.value;
        }
        let count = |node: &Node| match &node.shape {
            Shape::Map { entries, .. } => entries.len(),
            _ => 0,
        };
        // Maps left empty go too, but for the root's own keys: of those `{}` is left.
        while chain.len() > 2 && chain.last().is_some_and(|(map, _)| count(map) == 1) {
            chain.pop();
        }
        let Some(&(map, entry)) = chain.last() else { return self.refuse(0, "the root of a document is not a field") };
        let Shape::Map { flow, entries } = &map.shape else { return self.refuse(map.range.start, "not a map") };
        if *flow {
            let at = entries.iter().position(|other| other.start == entry.start).unwrap_or(0);
            return Ok(vec![match (entries.get(at + 1), at.checked_sub(1).and_then(|at| entries.get(at))) {
                (Some(next), _) => splice(entry.start..next.start, ""),
                (None, Some(previous)) => splice(previous.end..entry.end, ""),
                (None, None) => splice(entry.start..entry.comma_end.unwrap_or(entry.end), ""),
            }]);
        }
        // Comments that go with its lines stay, on lines of their own.
        let (behind, _) = self.line_behind(entry.end)?;
        let indent = &self.text[line_start(self.text, entry.start)..entry.start];
        let kept: Vec<String> = self
            .layout
            .comments
            .iter()
            .filter(|comment| comment.start >= entry.start && comment.end <= behind)
            .map(|comment| {
                let line = line_start(self.text, comment.start);
                if self.text[line..comment.start].trim().is_empty() {
                    self.text[line..].split('\n').next().unwrap_or_default().trim_end_matches('\r').to_owned()
                } else {
                    format!("{indent}{}", self.text[comment.clone()].trim_end())
                }
            })
            .collect();
        let lines = self.replace_lines(entry.start, entry.end, &kept)?;
        match chain[..] {
            [(_, parent), (map, _)] if count(map) == 1 => {
                if parent.value.has_anchor {
                    return self.refuse(parent.start, "an anchor stands on it");
                }
                Ok(vec![splice(parent.colon_end..parent.colon_end, " {}"), lines])
            }
            _ => Ok(vec![lines]),
        }
    }

    fn flow_entry(&self, path: &[String], wanted: &Wanted<'_>, context: Context) -> String {
        let context = if context == Context::Block { Context::Flow } else { context };
        let value = match wanted {
            Wanted::Value(value) => inline(value, context),
            Wanted::More(values) => inline(&Value::Array(values.to_vec()), context),
        };
        let mut keys = path.iter().rev();
        let last = keys.next().map(|key| string(key, context)).unwrap_or_default();
        keys.fold(format!("{last}: {value}"), |inner, key| format!("{}: {{{inner}}}", string(key, context)))
    }

    fn block_lines(&self, path: &[String], wanted: &Wanted<'_>, indent: usize) -> Vec<String> {
        let mut lines = Vec::new();
        for (depth, key) in path.iter().enumerate() {
            let at = indent + depth * self.style.step;
            let key = format!("{:at$}{}:", "", string(key, Context::Block));
            if depth + 1 < path.len() {
                lines.push(key);
                continue;
            }
            match wanted {
                Wanted::More(values) => {
                    lines.push(key);
                    lines.extend(self.list_lines(values, at + self.style.dash));
                }
                Wanted::Value(Value::Array(values)) if !values.is_empty() => {
                    lines.push(key);
                    lines.extend(self.list_lines(values, at + self.style.dash));
                }
                Wanted::Value(value) => lines.push(format!("{key} {}", inline(value, Context::Block))),
            }
        }
        lines
    }

    fn list_lines(&self, values: &[Value], indent: usize) -> Vec<String> {
        let mut lines = Vec::new();
        for value in values {
            match value.as_object().filter(|map| !map.is_empty()) {
                Some(map) => {
                    for (at, (key, value)) in map.iter().enumerate() {
                        let lead = if at == 0 { "- " } else { "  " };
                        let key = string(key, Context::Block);
                        lines.push(format!("{:indent$}{lead}{key}: {}", "", inline(value, Context::Block)));
                    }
                }
                None => lines.push(format!("{:indent$}- {}", "", inline(value, Context::Block))),
            }
        }
        lines
    }
}

/// JSON values have no order or hash; their text has both.
fn hashable(values: &[Value]) -> Vec<String> {
    values.iter().map(Value::to_string).collect()
}
