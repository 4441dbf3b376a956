use clap::CommandFactory;

use super::*;

fn parse(line: &str) -> Result<Cli, clap::Error> {
    Cli::try_parse_from(line.split(' '))
}

/// The first line of what clap says.
#[track_caller]
fn refused(line: &str) -> String {
    let text = parse(line).unwrap_err().to_string();
    text.lines().next().unwrap_or_default().to_owned()
}

#[test]
fn the_definitions_are_sound() {
    Cli::command().debug_assert();
}

#[test]
fn every_command_of_the_contract_is_there() {
    for line in [
        "demo",
        "demo --serve",
        "init",
        "check",
        "check acme --offline",
        "run --listen 127.0.0.1:1",
        "sync now",
        "sync now acme labs --dry-run --full",
        "sync history",
        "sync show 01J",
        "sync approve 01J",
        "discovered list --action conflict --state all --search pay",
        "discovered show acme/payments",
        "discovered import a b --kind Resource --type library --dry-run",
        "discovered import --all --action merge",
        "discovered import a --into component:default/a",
        "discovered import --plan 01J",
        "discovered ignore a b",
        "discovered restore a",
        "imported list",
        "imported show https://bitbucket.org/acme/payments/src/main/",
        "imported unlink a",
        "integration list",
        "integration show acme",
        "integration suspend acme",
        "integration resume acme",
        "integration auto-import acme on",
        "integration delete acme --yes",
        "rules check rules.yaml",
        "activity pull-requests payments",
        "activity commits payments --limit 3",
        "credential add acme --kind api_token --expires 2027-03-31 --stdin",
        "credential add acme --file login.json",
        "credential list",
        "credential info acme",
        "credential update acme --expires 2027-03-31 --keep-secret",
        "credential delete acme --yes",
        "credential rekey --old-key-file old.key",
        "store check",
        "store export - --with-credentials",
        "store export dump.jsonl",
        "store import -",
        "simulate --repositories 1000 --pull-requests 60 --commits 80 --seed 7 --latency 50ms --rate-limit 1000",
        "simulate --data-center --context /bitbucket --server-version 8.19.1 --tls-certificate c.pem --tls-key k.pem",
        "config schema",
        "completions zsh",
        "man",
        "version",
    ] {
        parse(&format!("catalog-sync {line}")).unwrap_or_else(|error| panic!("{line}: {error}"));
    }
}

#[test]
fn global_flags_go_before_and_behind() {
    for line in [
        "catalog-sync --config a.yaml --store s --server u -o json -vv --color never --log-format json --yes sync now",
        "catalog-sync sync now --config a.yaml --store s --server u -o json -vv --color never --log-format json --yes",
    ] {
        let Global { config, store, server, output, verbose, quiet, color, log_format, yes } =
            parse(line).unwrap().global;
        assert_eq!((config, store, server), (Some("a.yaml".into()), Some("s".into()), Some("u".to_owned())));
        assert_eq!((output, verbose, quiet), (Output::Json, 2, false));
        assert_eq!((color, log_format, yes), (Color::Never, LogFormat::Json, true));
    }
}

#[test]
fn contradictions_are_refused() {
    insta::assert_snapshot!(refused("catalog-sync -q -v version"), @"error: the argument '--quiet' cannot be used with '--verbose...'");
    insta::assert_snapshot!(refused("catalog-sync discovered import a --all"), @"error: the argument '[REPO]...' cannot be used with '--all'");
    insta::assert_snapshot!(refused("catalog-sync discovered import a --action merge"), @"error: the argument '[REPO]...' cannot be used with '--action <ACTION>'");
    insta::assert_snapshot!(refused("catalog-sync discovered import --all --into component:default/a"), @"error: the argument '--all' cannot be used with '--into <ENTITY>'");
    insta::assert_snapshot!(refused("catalog-sync discovered show https://bitbucket.org/acme"), @"error: invalid value 'https://bitbucket.org/acme' for '<REPO>': this names an account, and a repository is wanted; write `https://bitbucket.org/acme/REPO.git`");
    insta::assert_snapshot!(refused("catalog-sync simulate --latency soon"), @"error: invalid value 'soon' for '--latency <TIME>': write it like `50ms` or `1s`");
}

#[test]
fn help_reads_well() {
    insta::assert_snapshot!(Cli::command().term_width(100).render_long_help(), @r"
    Keeps a software catalog and Bitbucket together.

    Discovers the repositories of a Bitbucket workspace, recommends for each one to register it as a new
    entity or to merge it into an existing one, and imports what you decide into your catalog's YAML,
    with every comment kept.

    Usage: catalog-sync [OPTIONS] <COMMAND>

    Commands:
      demo         See it at work: a simulated workspace, a sample catalog, one real sync
      init         Write a commented starter config
      check        Check the config, then connectors and catalogs for real
      run          Run the sidecar: syncs on schedule until it is stopped
      sync         Sync now, and look at past syncs
      discovered   Repositories that await a decision
      imported     Repositories that are linked to an entity
      integration  Integrations and their switches
      webhook      The webhooks on Bitbucket that make changes arrive in seconds
      rules        Rules files
      report       How much is imported, and what does not fit any more between catalog and Bitbucket
      activity     Pull requests and commits of a repository
      credential   Secrets kept in the store, encrypted
      audit        Who changed what
      store        The state: verify, back up, move
      simulate     Run the simulated Bitbucket by itself, for trying things out
      config       About the config file
      completions  Print a completion script for a shell
      man          Print the manual page
      version      Print version and build

    Options:
      -h, --help
              Print help (see a summary with '-h')

      -V, --version
              Print version

    Global options:
      -c, --config <FILE>
              The config file [env: CATALOG_SYNC_CONFIG] [default: ./catalog-sync.yaml, then the user's
              and the system's config folder]

          --store <DIR>
              The directory state is kept in; outranks `store` of the config [env: CATALOG_SYNC_STORE]

          --server <URL>
              A catalog-sync that runs elsewhere and is to do it; its token stands in CATALOG_SYNC_TOKEN
              [env: CATALOG_SYNC_SERVER]

      -o, --output <FORMAT>
              How results are printed; they alone go to stdout

              Possible values:
              - table: A table as wide as the terminal
              - json:  One JSON document
              - yaml:  The same as YAML
              
              [default: table]

      -v, --verbose...
              Log more; twice: everything

      -q, --quiet
              Log errors only, and show no progress

          --color <WHEN>
              Colour

              Possible values:
              - auto:   On a terminal, unless NO_COLOR is set
              - always: Always
              - never:  Never
              
              [default: auto]

          --log-format <FORMAT>
              How log lines are written to stderr

              Possible values:
              - text: For people
              - json: One JSON object a line
              
              [default: text]

      -y, --yes
              Answer every question with yes; without it and without a terminal, a question is refused

    Begin here:
      catalog-sync demo                 see it at work, without an account or a config
      catalog-sync init                 write a commented config to fill in
      catalog-sync check                prove that it reaches Bitbucket and the catalog
      catalog-sync sync now             discover, and list what awaits a decision
      catalog-sync run                  keep doing so

    Exit codes: 0 done, 1 failed, 2 usage or config error, 3 done in part, 4 held or refused, 130
    interrupted.
    ");
}

#[test]
fn help_of_import_reads_well() {
    let mut command = Cli::command().term_width(100);
    command.build();
    let import = command.find_subcommand_mut("discovered").and_then(|c| c.find_subcommand_mut("import"));
    insta::assert_snapshot!(import.unwrap().render_help(), @r"
    Import: register as new entities, or merge into existing ones

    Usage: catalog-sync discovered import [OPTIONS] [REPO]...

    Arguments:
      [REPO]...  Ids, full names, slugs or URLs of repositories

    Options:
          --all                        Every pending repository that can be imported as recommended
          --action <ACTION>            With --all: only those with this recommendation [possible values:
                                       register, merge]
      -i, --integration <INTEGRATION>  Of this integration only
          --into <ENTITY>              Merge into this entity, whatever the rules say; for one
                                       repository
          --kind <KIND>                Register with this kind instead of the integration's
          --type <TYPE>                Register with this type instead of the recommended one
          --as-new                     Register as new entities, whatever the rules recommend
          --dry-run                    Write nothing; print the diffs, and the id of a plan for --plan.
                                       In JSON, `done` then means: would be done
          --plan <ID>                  Write what a dry run showed, but for rows that changed since
      -h, --help                       Print help (see more with '--help')

    Global options:
      -c, --config <FILE>        The config file [env: CATALOG_SYNC_CONFIG] [default:
                                 ./catalog-sync.yaml, then the user's and the system's config folder]
          --store <DIR>          The directory state is kept in; outranks `store` of the config [env:
                                 CATALOG_SYNC_STORE]
          --server <URL>         A catalog-sync that runs elsewhere and is to do it; its token stands in
                                 CATALOG_SYNC_TOKEN [env: CATALOG_SYNC_SERVER]
      -o, --output <FORMAT>      How results are printed; they alone go to stdout [default: table]
                                 [possible values: table, json, yaml]
      -v, --verbose...           Log more; twice: everything
      -q, --quiet                Log errors only, and show no progress
          --color <WHEN>         Colour [default: auto] [possible values: auto, always, never]
          --log-format <FORMAT>  How log lines are written to stderr [default: text] [possible values:
                                 text, json]
      -y, --yes                  Answer every question with yes; without it and without a terminal, a
                                 question is refused

    Examples:
      catalog-sync discovered import payments-api                     as recommended
      catalog-sync discovered import payments-api --into component:default/payments
      catalog-sync discovered import --all --action merge --dry-run   each diff, nothing written
      catalog-sync discovered import --plan 01J8…                     exactly what that dry run showed
    ");
}
