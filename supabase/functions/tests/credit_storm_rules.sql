-- What must be true once a storm is over: every line of this view is a broken rule.

create view storm.violations (rule, subject) as
with holders as (
  select id from storm.partners
  union all select id from storm.events
  union all select id from storm.people
),
movements as (
  select * from private.credit_movements
  where source_id in (select id from holders)
    or destination_id in (select id from holders)
    -- What erased people paid for goes to nobody.
    or payment_id like current_setting('application_name') || '%'
),
photos as (
  select generations.*,
    (select count(*) from private.credit_movements where generation_id = generations.id and kind = 'charge') as charges,
    (select max(amount) from private.credit_movements where generation_id = generations.id and kind = 'charge') as charged,
    (select count(*) from private.credit_movements where generation_id = generations.id and kind = 'refund') as refunds,
    (select max(amount) from private.credit_movements where generation_id = generations.id and kind = 'refund') as refunded
  from storm.photos
  left join public.generations on generations.id = photos.id
),
payments as (
  select payment_id, order_id,
    count(*) filter (where kind = 'purchase') as purchases,
    sum(amount) filter (where kind = 'purchase') as brought,
    coalesce(sum(case kind when 'purchase_reversal' then amount when 'purchase_reinstatement' then -amount end), 0) as taken
  from private.credit_movements
  where payment_id like current_setting('application_name') || '%'
  group by payment_id, order_id
)
select 'the audit is empty', to_jsonb(audit)::text from public.credit_audit() as audit
union all
-- The balances as they stand, against what the ledger says of the system's own accounts.
select 'all accounts together are zero', total::text
from (
  select (select coalesce(sum(credits), 0) from public.profiles)
    + (select coalesce(sum(credits_total - credits_used), 0) from public.partners)
    + (select coalesce(sum(credits_allocated - credits_used), 0) from public.events)
    - (select coalesce(sum(amount), 0) from private.credit_debts)
    + (select coalesce(sum(amount), 0) from private.credit_movements where destination_id is null)
    - (select coalesce(sum(amount), 0) from private.credit_movements where source_id is null) as total
) as everything
where total <> 0
union all
select 'no balance is negative', id::text from public.profiles where credits < 0
union all
select 'no balance is negative', id::text from public.partners where credits_used not between 0 and credits_total
union all
select 'no balance is negative', id::text from public.events where credits_used not between 0 and credits_allocated
union all
select 'whoever owes holds nothing', account_id::text
from private.credit_debts
where amount > 0 and coalesce(
  (select credits from public.profiles where id = account_id),
  (select credits_total - credits_used from public.partners where id = account_id)
) > 0
union all
select 'an erased person owes nothing', account_id::text
from private.credit_debts
where account = 'user_debt' and not exists (select from public.profiles where profiles.id = account_id)
union all
select 'a closed event holds nothing', id::text
from storm.events join public.events using (id)
where closed_at is not null and credits_allocated <> credits_used
union all
select 'a photo is charged once', format('%s: %s', id, charges) from photos where charges <> 1
union all
select 'a charge has its photo', generation_id::text
from movements where kind = 'charge' and generation_id is not null and generation_id not in (select id from storm.photos)
union all
select 'a photo is refunded exactly when it failed', format('%s: %s', id, refunds)
from photos
where refunds <> (failed_at is not null)::integer or (refunded_at is null) <> (failed_at is null)
union all
select 'a refund returns what was charged', id::text from photos where refunded <> charged
union all
select 'credits_charged is what was charged and not refunded', id::text
from photos where credits_charged <> case when refunds = 0 then charged else 0 end
union all
select 'every photo is finished', id::text from photos where status in ('queued', 'processing')
union all
select 'a refund goes back to who paid, or is written off with them', refund.id::text
from movements as charge
join private.credit_movements as refund on refund.generation_id = charge.generation_id and refund.kind = 'refund'
where charge.kind = 'charge'
  and refund.destination_id is distinct from charge.source_id
  and (refund.destination <> 'written_off' or exists (select from public.profiles where profiles.id = charge.source_id))
union all
select 'a payment credits one order once', payment_id from payments where purchases <> 1
union all
select 'a payment brings what was ordered', payment_id
from payments join public.payment_orders on payment_orders.id = order_id where brought <> credits
union all
select 'no more is taken back than was brought', payment_id from payments where taken not between 0 and brought
union all
select 'one purchase of a buyer is rewarded', user_id::text
from public.payment_orders
join private.credit_movements on credit_movements.order_id = payment_orders.id and kind = 'referral_reward'
where payment_orders.id in (select id from storm.orders)
group by user_id having count(distinct payment_orders.id) > 1
union all
select 'an address has one bonus', format('%s of %s', bonuses, addresses)
from (
  select (select count(*) from movements where kind = 'signup_bonus') as bonuses,
    (select count(distinct email) from storm.people) as addresses
) as counts
where bonuses <> addresses
union all
select 'a key makes one movement', key
from storm.log
where outcome = 'ok' and operation in ('grant', 'adjust', 'allocate', 'transfer')
group by key having count(distinct result) > 1
union all
select 'a key makes one photo of a user or event', key
from storm.log
join private.credit_movements on kind = 'charge' and generation_id::text = result
where outcome = 'ok' and operation in ('begin_user', 'begin_guest')
group by key, source_id having count(distinct result) > 1
union all
select 'what callers were told is in the ledger', result
from storm.log
where outcome = 'ok' and operation in ('grant', 'adjust', 'allocate', 'transfer', 'purchase')
  and result not in (select id::text from movements)
union all
select 'the ledger has nothing callers were not told', id::text
from movements
where kind in ('grant', 'adjustment', 'allocation', 'transfer', 'purchase')
  and id::text not in (select result from storm.log where result is not null)
union all
select 'increments are charged exactly', format('%s of %s', charged, told)
from (
  select (select coalesce(sum(amount), 0) from movements where kind = 'charge' and generation_id is null) as charged,
    (select coalesce(sum(result::integer), 0) from storm.log where operation = 'increment') as told
) as increments
where charged <> told;
