#!/usr/bin/env bash
# What an AWS account needs once before `ray up cluster.yaml`: two roles, a security group, the spot market's own role.
# Usage: jobs/aws/prepare.sh BUCKET [REGION]. Safe to run again. At the end it prints what to fill in, and the quotas to ask for.
set -euo pipefail
bucket=${1:?usage: jobs/aws/prepare.sh BUCKET [REGION]}
region=${2:-us-west-2}
here=$(cd "$(dirname "$0")" && pwd)
export AWS_DEFAULT_REGION=$region AWS_PAGER=
trust='{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}]}'

role() { # a role with an instance profile of the same name, which may use the bucket
  aws iam get-role --role-name "$1" >/dev/null 2>&1 || aws iam create-role --role-name "$1" --assume-role-policy-document "$trust" >/dev/null
  aws iam put-role-policy --role-name "$1" --policy-name bucket --policy-document "$(sed "s/BUCKET/$bucket/" "$here/bucket-policy.json")"
  if ! aws iam get-instance-profile --instance-profile-name "$1" >/dev/null 2>&1; then
    aws iam create-instance-profile --instance-profile-name "$1" >/dev/null
    aws iam add-role-to-instance-profile --instance-profile-name "$1" --role-name "$1"
  fi
}

aws sts get-caller-identity >/dev/null # ends here, with AWS's own words, where there are no credentials
role trace-factory-worker
role trace-factory-head
aws iam put-role-policy --role-name trace-factory-head --policy-name workers --policy-document "file://$here/head-policy.json"
# The first spot request of an account needs this role, and the head may not make it.
aws iam get-role --role-name AWSServiceRoleForEC2Spot >/dev/null 2>&1 || aws iam create-service-linked-role --aws-service-name spot.amazonaws.com >/dev/null

vpc=$(aws ec2 describe-vpcs --filters Name=is-default,Values=true --query 'Vpcs[0].VpcId' --output text)
find_group() { aws ec2 describe-security-groups --filters Name=group-name,Values=trace-factory Name=vpc-id,Values="$vpc" --query 'SecurityGroups[0].GroupId' --output text; }
group=$(find_group)
if [ "$group" = None ]; then
  group=$(aws ec2 create-security-group --group-name trace-factory --description "trace factory" --vpc-id "$vpc" --query GroupId --output text)
  aws ec2 authorize-security-group-ingress --group-id "$group" --protocol all --source-group "$group" >/dev/null
fi

cat <<TXT
fill into cluster.yaml:
  SecurityGroupIds: [$group]     # machines reach each other; open SSH to your own address only:
    aws ec2 authorize-security-group-ingress --region $region --group-id $group --protocol tcp --port 22 --cidr YOUR.ADDRESS/32
  ImageId: $(aws ec2 describe-images --owners amazon --query 'sort_by(Images,&CreationDate)[-1].ImageId' --output text \
    --filters 'Name=name,Values=Deep Learning Base OSS Nvidia Driver GPU AMI (Ubuntu 24.04)*')

vCPUs that this account may have in $region (a new account: 0 of most; a p5.48xlarge takes 192, an m7i.4xlarge 16):
TXT
aws service-quotas list-service-quotas --service-code ec2 --output table \
  --query "Quotas[?contains(QuotaName,'Spot') || contains(QuotaName,'On-Demand Standard')].[QuotaName,QuotaCode,Value]"
echo "ask for more:  aws service-quotas request-service-quota-increase --region $region --service-code ec2 --quota-code CODE --desired-value VCPUS"
