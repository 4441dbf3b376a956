//! Where the parts of one YAML document stand in its text, as byte ranges. Read from yaml-edit's
//! lossless syntax tree; edits are then made on the text itself, so that every byte outside of them
//! stays what it was.

use std::ops::Range;

use rowan::NodeOrToken;
use rowan::ast::AstNode as _;
use yaml_edit::SyntaxKind as Kind;

type SyntaxNode = rowan::SyntaxNode<yaml_edit::Lang>;

use super::scalar::Quotes;

/// One document.
#[derive(Debug)]
pub(super) struct Layout {
    /// A map, always.
    pub root: Node,
    /// Every comment, in order.
    pub comments: Vec<Range<usize>>,
}

/// A value.
#[derive(Debug)]
pub(super) struct Node {
    /// From its first to behind its last significant character, anchor not included. An empty one stands
    /// where it would be written.
    pub range: Range<usize>,
    /// Whether `&name` stands before it.
    pub has_anchor: bool,
    /// What it is.
    pub shape: Shape,
}

/// What a value is.
#[derive(Debug)]
pub(super) enum Shape {
    /// Nothing is written: null.
    Empty,
    /// On one or several lines.
    Scalar(Quotes),
    /// `|` or `>`.
    BlockScalar,
    /// `*name`.
    Alias,
    /// `!tag value`: left alone.
    Tagged,
    /// Key by key.
    Map { flow: bool, entries: Vec<Entry> },
    /// Item by item.
    List { flow: bool, items: Vec<Item> },
}

/// `key: value`.
#[derive(Debug)]
pub(super) struct Entry {
    /// `None`: not a plain string (a complex, tagged or anchored key).
    pub key: Option<String>,
    /// Where the key begins.
    pub start: usize,
    /// Whether it is written `? key`.
    pub is_explicit: bool,
    /// Behind the colon.
    pub colon_end: usize,
    /// The value.
    pub value: Node,
    /// Behind the last significant character.
    pub end: usize,
    /// Behind the comma that follows, in flow style.
    pub comma_end: Option<usize>,
}

/// `- value`.
#[derive(Debug)]
pub(super) struct Item {
    /// Where the dash (in flow style: the value) begins.
    pub start: usize,
    /// Behind the last significant character.
    pub end: usize,
    /// Behind the comma that follows, in flow style.
    pub comma_end: Option<usize>,
    /// What it is.
    pub is_block_collection: bool,
}

impl Layout {
    /// Reads a text that holds exactly one document, whose root is a map.
    pub(super) fn read(text: &str) -> Result<Self, String> {
        let parsed = yaml_edit::YamlFile::parse(text);
        if let Some(error) = parsed.errors().first() {
            return Err(format!("its layout is not understood ({error})"));
        }
        let file = parsed.tree();
        let root = file.syntax();
        if root.text() != text {
            return Err("its layout is not understood".to_owned());
        }
        let mut documents: Vec<SyntaxNode> = root.descendants().filter(|node| node.kind() == Kind::DOCUMENT).collect();
        let (Some(document), true) = (documents.pop(), documents.is_empty()) else {
            return Err("its layout is not understood: not exactly one document".to_owned());
        };
        let comments = root
            .descendants_with_tokens()
            .filter_map(NodeOrToken::into_token)
            .filter(|token| token.kind() == Kind::COMMENT)
            .map(|token| token.text_range().into())
            .collect();
        let root = node_in(&document, 0)?;
        if !matches!(root.shape, Shape::Map { .. }) {
            return Err("its root is not a map".to_owned());
        }
        Ok(Self { root, comments })
    }
}

/// The value that a VALUE, SEQUENCE_ENTRY or DOCUMENT node holds; `at`: where an empty one would be.
fn node_in(holder: &SyntaxNode, at: usize) -> Result<Node, String> {
    let mut has_anchor = false;
    for child in holder.children_with_tokens() {
        match child {
            NodeOrToken::Token(token) if token.kind() == Kind::ANCHOR => has_anchor = true,
            NodeOrToken::Token(_) => {}
            NodeOrToken::Node(node) => {
                let shape = match node.kind() {
                    Kind::SCALAR => scalar_shape(&node),
                    Kind::MAPPING => map_shape(&node)?,
                    Kind::SEQUENCE => list_shape(&node)?,
                    Kind::ALIAS => Shape::Alias,
                    Kind::TAGGED_NODE => Shape::Tagged,
                    Kind::ERROR => return Err("its layout is not understood".to_owned()),
                    _ => continue,
                };
                let range = significant_range(&node).unwrap_or(at..at);
                return Ok(Node { range, has_anchor, shape });
            }
        }
    }
    Ok(Node { range: at..at, has_anchor, shape: Shape::Empty })
}

fn scalar_shape(node: &SyntaxNode) -> Shape {
    let Some(first) = node.first_token() else { return Shape::Empty };
    match first.kind() {
        Kind::PIPE | Kind::GREATER => Shape::BlockScalar,
        _ if first.text().is_empty() => Shape::Empty,
        _ if first.text().starts_with('"') => Shape::Scalar(Quotes::Double),
        _ if first.text().starts_with('\'') => Shape::Scalar(Quotes::Single),
        _ => Shape::Scalar(Quotes::None),
    }
}

fn has_token(node: &SyntaxNode, kind: Kind) -> bool {
    node.children_with_tokens().filter_map(NodeOrToken::into_token).any(|token| token.kind() == kind)
}

fn comma_end(node: &SyntaxNode) -> Option<usize> {
    node.children_with_tokens()
        .filter_map(NodeOrToken::into_token)
        .find(|token| token.kind() == Kind::COMMA)
        .map(|token| token.text_range().end().into())
}

fn map_shape(node: &SyntaxNode) -> Result<Shape, String> {
    let flow = has_token(node, Kind::LEFT_BRACE);
    let mut entries = Vec::new();
    for entry in node.children().filter(|child| child.kind() == Kind::MAPPING_ENTRY) {
        let range = significant_range(&entry).ok_or("its layout is not understood")?;
        let key_node = entry.children().find(|child| child.kind() == Kind::KEY);
        let key = key_node.as_ref().and_then(|key| {
            let scalar = key.children().find_map(yaml_edit::Scalar::cast)?;
            (!has_token(key, Kind::ANCHOR)).then(|| scalar.as_string())
        });
        let colon_end = entry
            .children_with_tokens()
            .filter_map(NodeOrToken::into_token)
            .find(|token| token.kind() == Kind::COLON)
            .map_or(range.end, |token| token.text_range().end().into());
        let value = match entry.children().find(|child| child.kind() == Kind::VALUE) {
            Some(value) => node_in(&value, colon_end)?,
            None => Node { range: colon_end..colon_end, has_anchor: false, shape: Shape::Empty },
        };
        entries.push(Entry {
            key,
            start: range.start,
            is_explicit: has_token(&entry, Kind::QUESTION),
            colon_end,
            value,
            end: range.end,
            comma_end: comma_end(&entry),
        });
    }
    Ok(Shape::Map { flow, entries })
}

fn list_shape(node: &SyntaxNode) -> Result<Shape, String> {
    let flow = has_token(node, Kind::LEFT_BRACKET);
    let mut items = Vec::new();
    for item in node.children().filter(|child| child.kind() == Kind::SEQUENCE_ENTRY) {
        let range = significant_range(&item).ok_or("its layout is not understood")?;
        let value = node_in(&item, range.end)?;
        let is_block_collection =
            matches!(value.shape, Shape::Map { flow: false, .. } | Shape::List { flow: false, .. });
        items.push(Item { start: range.start, end: range.end, comma_end: comma_end(&item), is_block_collection });
    }
    Ok(Shape::List { flow, items })
}

/// From the first to behind the last character that is neither space, line break, comment nor the
/// node's own comma. A block scalar that keeps its last line breaks (`|+`) ends behind them.
fn significant_range(node: &SyntaxNode) -> Option<Range<usize>> {
    let mut start = None;
    let mut end = 0;
    for element in node.descendants_with_tokens() {
        match element {
            NodeOrToken::Token(token) => {
                let trivia = matches!(token.kind(), Kind::WHITESPACE | Kind::NEWLINE | Kind::INDENT | Kind::COMMENT);
                let own_comma = token.kind() == Kind::COMMA && token.parent().as_ref() == Some(node);
                if trivia || own_comma || token.text().is_empty() {
                    continue;
                }
                let range: Range<usize> = token.text_range().into();
                start.get_or_insert(range.start);
                end = end.max(range.end);
            }
            NodeOrToken::Node(scalar) if scalar.kind() == Kind::SCALAR && is_block_scalar(&scalar) => {
                let start: usize = scalar.text_range().start().into();
                end = end.max(start + block_scalar_length(&scalar.text().to_string()));
            }
            NodeOrToken::Node(_) => {}
        }
    }
    start.map(|start| start..end)
}

fn is_block_scalar(scalar: &SyntaxNode) -> bool {
    scalar.first_token().is_some_and(|first| matches!(first.kind(), Kind::PIPE | Kind::GREATER))
}

/// Up to the last line that is text: also one of spaces only, where they are more than the indentation.
/// One that keeps its line breaks (`|+`) goes on behind them.
fn block_scalar_length(text: &str) -> usize {
    let header = text.lines().next().unwrap_or_default();
    if header.split('#').next().unwrap_or_default().contains('+') {
        // The indentation of what follows may be part of the tree's scalar.
        let kept = text.trim_end_matches([' ', '\t']);
        return if kept.ends_with('\n') { kept.len() } else { text.len() };
    }
    let indent_of = |line: &str| line.len() - line.trim_start_matches(' ').len();
    let indent = text.lines().skip(1).find(|line| !line.trim().is_empty()).map_or(usize::MAX, indent_of);
    let (mut at, mut length) = (0, header.trim_end().len());
    for (number, line) in text.split_inclusive('\n').enumerate() {
        let is_whole = line.ends_with('\n');
        let line_text = line.trim_end_matches(['\n', '\r']);
        let is_text = !line_text.trim().is_empty() || (is_whole && line_text.len() > indent);
        if number > 0 && is_text {
            length = at + line_text.len();
        }
        at += line.len();
    }
    length
}
