-- The tables that dbt reads but does not build. Raw columns have the unchanged text of the files.

create schema if not exists raw;
create schema if not exists ml;

create table if not exists raw.events (
    event_id varchar, user_id varchar, product_id varchar, event_type varchar, event_at varchar, device varchar,
    session_id varchar, transaction_id varchar, quantity varchar, price varchar, line_total varchar, currency varchar,
    product_name varchar, category varchar, brand varchar,
    _extra varchar, _feed varchar not null, _file varchar not null,
    _line bigint not null, _load_id bigint not null
);

create table if not exists raw.purchases (
    transaction_id varchar, user_id varchar, product_id varchar, quantity varchar, price varchar, line_total varchar,
    currency varchar, purchased_at varchar, device varchar,
    product_name varchar, category varchar, brand varchar,
    _extra varchar, _feed varchar not null, _file varchar not null,
    _line bigint not null, _load_id bigint not null
);

-- A warehouse of an earlier version gets the column.
alter table raw.purchases add column if not exists device varchar;

create table if not exists raw.products (
    product_id varchar, product_name varchar, category varchar, brand varchar, price varchar, currency varchar,
    popularity_score varchar, is_available varchar, updated_at varchar,
    margin varchar, product_url varchar, image_url varchar,
    _extra varchar, _feed varchar not null, _file varchar not null,
    _line bigint not null, _load_id bigint not null
);

-- A warehouse of an earlier version gets the columns.
alter table raw.products add column if not exists margin varchar;
alter table raw.products add column if not exists product_url varchar;
alter table raw.products add column if not exists image_url varchar;

create table if not exists raw.impressions (
    impression_id varchar, user_id varchar, session_id varchar, product_id varchar, placement varchar, position varchar,
    seen_at varchar, recommendation_id varchar,
    _extra varchar, _feed varchar not null, _file varchar not null,
    _line bigint not null, _load_id bigint not null
);

-- The logs of recommendations, which RecoMart writes itself: the lists of each publication, and the answers of the HTTP
-- service. product_ids, sources, reason_keys and propensities are JSON lists in order of rank.
create table if not exists raw.recommendation_lists (
    user_id varchar, placement varchar, published_at varchar, experiment varchar, arm varchar, run_id varchar,
    product_ids varchar, sources varchar, reason_keys varchar, propensities varchar, publication varchar,
    list_hash varchar,
    _extra varchar, _feed varchar not null, _file varchar not null,
    _line bigint not null, _load_id bigint not null
);

create table if not exists raw.served_lists (
    recommendation_id varchar, served_at varchar, user_id varchar, session_id varchar, placement varchar,
    experiment varchar, arm varchar, run_id varchar, product_ids varchar, is_fallback varchar,
    _extra varchar, _feed varchar not null, _file varchar not null,
    _line bigint not null, _load_id bigint not null
);

-- The feed declarations of sources.yml and of the built-in feeds, by which the SQL types the rows of each feed.
create table if not exists raw.feeds (
    feed varchar primary key, kind varchar not null,
    joined_to varchar, -- for the joined files of a feed: the name of that feed
    carries_purchases boolean not null, carries_products boolean not null, cancelled_transaction_prefix varchar,
    settings varchar not null, -- JSON; warehouse/sources/typing_settings.py writes it, macro declared_feeds reads it
    typing_fingerprint bigint not null, -- fingerprint of the columns before it, the feed's aliases and its joined loads
    expected_hours integer, -- a file is expected in this time; null for a feed that is not declared live
    keep_days integer -- days after which runs erase rows; null for a feed that keeps them
);

-- A warehouse of an earlier version gets the columns.
alter table raw.feeds add column if not exists expected_hours integer;
alter table raw.feeds add column if not exists keep_days integer;

create table if not exists raw.event_aliases (
    feed varchar not null, alias varchar not null, event_type varchar not null, primary key (feed, alias)
);

-- The loader's ledger: loaded_files, rejected_rows and rejected_files. Every load of a file has a unique id, which its
-- rows have too. Data that was built from rows whose load id is no longer in the ledger is out of date.
create sequence if not exists raw.load_ids;

create table if not exists raw.loaded_files (
    load_id bigint not null, feed varchar not null, path varchar not null,
    size_bytes bigint not null, checksum varchar not null,
    changed_ns bigint, -- the file's change time; null if a later change could have the same time
    parse_fingerprint varchar not null, -- fingerprint of the settings by which the file was read
    encoding varchar not null, delimiter varchar, quote varchar, -- as declared or detected
    decimal_id_columns varchar[] not null, -- id columns in which a value is a number with decimals, such as 10.5
    lines bigint not null, -- rows of files that are not text; with unnest, the items of the lists
    rows_loaded bigint not null, rows_rejected bigint not null, loaded_at timestamp not null,
    primary key (feed, path)
);

create table if not exists raw.rejected_rows (
    feed varchar not null, path varchar not null, line bigint not null, text varchar not null, error varchar not null
);

create table if not exists raw.rejected_files (
    feed varchar not null, path varchar not null, size_bytes bigint not null,
    error varchar not null, rejected_at timestamp not null,
    changed_ns bigint, -- the file's change time; null if the next load tries again
    attempt_fingerprint varchar, -- fingerprint of the settings with which the file cannot be read
    primary key (feed, path)
);

-- A warehouse of an earlier version gets the columns.
alter table raw.rejected_files add column if not exists changed_ns bigint;
alter table raw.rejected_files add column if not exists attempt_fingerprint varchar;

create table if not exists raw.seen_columns (
    feed varchar not null, column_name varchar not null, is_declared boolean not null, first_path varchar not null,
    primary key (feed, column_name)
);

-- The tables that training, evaluation and batch scoring write.
create table if not exists ml.dataset_versions (
    dataset_hash varchar primary key, created_at timestamp not null, as_of timestamp not null,
    interactions bigint not null, users bigint not null, products bigint not null,
    first_interaction_at timestamp, last_interaction_at timestamp, settings varchar not null, path varchar not null
);

create table if not exists ml.model_runs (
    run_id varchar primary key, trained_at timestamp not null, dataset_hash varchar not null, as_of timestamp not null,
    config varchar not null, epochs integer not null, users bigint not null, products bigint not null,
    interactions bigint not null, fit_seconds double not null, artifact_path varchar not null,
    warm_from varchar, is_serving boolean not null, promoted_at timestamp, rejection_reason varchar,
    run_number bigint, promotion_number bigint, -- of one sequence: a clock may be wrong
    gate_policy varchar -- JSON of the gates that the model had to pass
);

-- A warehouse of an earlier version gets the columns, and the numbers by the times.
alter table ml.model_runs add column if not exists run_number bigint;
alter table ml.model_runs add column if not exists promotion_number bigint;
alter table ml.model_runs add column if not exists gate_policy varchar;

update ml.model_runs as runs
set run_number = numbers.run_number, promotion_number = numbers.promotion_number
from (
    select
        run_id,
        max(number) filter (not is_promotion) as run_number,
        max(number) filter (is_promotion) as promotion_number
    from (
        select run_id, is_promotion, row_number() over (order by happened_at, is_promotion, run_id) as number
        from (
            select run_id, false as is_promotion, trained_at as happened_at from ml.model_runs
            union all
            select run_id, true as is_promotion, promoted_at as happened_at from ml.model_runs
            where promoted_at is not null
        )
    )
    group by run_id
) as numbers
where runs.run_id = numbers.run_id and runs.run_number is null;

create table if not exists ml.gate_results (
    run_id varchar not null, gate varchar not null, is_passed boolean not null, finding varchar not null
);

create table if not exists ml.ranking_metrics (
    run_id varchar not null, cutoff varchar not null, method varchar not null,
    segment varchar not null, segment_value varchar not null, k integer not null, users bigint not null,
    precision double, recall double, ndcg double, map double, hit_rate double,
    coverage double, novelty double, long_tail_share double, top_product_share double, top_ten_share double,
    diversity double, calibration_error double, serendipity double
);

-- A warehouse of an earlier version gets the columns.
alter table ml.ranking_metrics add column if not exists top_product_share double;
alter table ml.ranking_metrics add column if not exists top_ten_share double;
alter table ml.ranking_metrics add column if not exists diversity double;
alter table ml.ranking_metrics add column if not exists calibration_error double;
alter table ml.ranking_metrics add column if not exists serendipity double;

create table if not exists ml.metric_differences (
    run_id varchar not null, cutoff varchar not null, method varchar not null,
    segment varchar not null, segment_value varchar not null, metric varchar not null, k integer not null,
    users bigint not null, difference double not null, lower_bound double not null, upper_bound double not null
);

create table if not exists ml.evaluation_pairs (
    run_id varchar not null, cutoff varchar not null, user_id varchar not null, product_id varchar not null,
    activity varchar, customer varchar not null, product varchar not null, category varchar not null, purchase varchar
);

alter table ml.evaluation_pairs add column if not exists purchase varchar;

create table if not exists ml.evaluation_candidates (
    run_id varchar not null, cutoff varchar not null, method varchar not null,
    user_id varchar not null, product_id varchar not null, rank integer not null, score double not null
);

create table if not exists ml.similar_products (
    run_id varchar not null, product_id varchar not null, rank integer not null,
    similar_product_id varchar not null, score double not null
);

create table if not exists ml.candidates (
    run_id varchar not null, user_id varchar not null, product_id varchar not null,
    rank integer not null, score double not null, reason_product_id varchar, reason_share double
);
