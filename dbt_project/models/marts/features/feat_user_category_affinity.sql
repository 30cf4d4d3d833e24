{{ affinity_to('category') }}
