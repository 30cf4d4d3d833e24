{{ affinity_to('brand') }}
