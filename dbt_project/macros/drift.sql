{#- The shares have a lower bound, because the logarithm of an empty bin's share does not exist. -#}
{% macro psi_contribution(current_share, reference_share) -%}
    {%- set current = 'greatest(' ~ current_share ~ ', ' ~ var('min_drift_share') ~ ')' -%}
    {%- set reference = 'greatest(' ~ reference_share ~ ', ' ~ var('min_drift_share') ~ ')' -%}
    ({{ current }} - {{ reference }}) * ln({{ current }} / {{ reference }})
{%- endmacro %}

{#- The index is distributed as (1 / draws of one sample + 1 / draws of the other) times a chi-squared variable with one
    degree of freedom less than the number of bins (Yurdakul and Naranjo, Statistical properties of the population
    stability index, 2020). The macro uses the Wilson-Hilferty approximation of its quantile. Rows that are drawn
    together count as one draw for every design_effect rows (Kish, Survey Sampling, 1965: the sum of the squared row
    counts of the draws over the sum of the row counts). -#}
{% macro psi_critical_value(bin_count, row_count, other_row_count, design_effect) -%}
    {%- set degrees = 'greatest(' ~ bin_count ~ ' - 1, 1.0)' -%}
    {#- 3.0902 is the 99.9 % quantile of the standard normal distribution. -#}
    {{ degrees }} * power(1 - 2 / (9 * {{ degrees }}) + 3.0902 * sqrt(2 / (9 * {{ degrees }})), 3)
        * {{ design_effect }} * (1.0 / {{ row_count }} + 1.0 / {{ other_row_count }})
{%- endmacro %}
